"""Learning rate and strength of the inner attack: pure functions of the settings and the step.

So neither has a state to save.
"""

from __future__ import annotations

from math import cos, pi

from cartl_core.spec import TrainingSpec
from cartl_core.spec.training import AttackSchedule

RAMP_BEGINS, RAMP_ENDS = 0.25, 0.75
"""Of all epochs: where the attack's radius begins to grow, and where it is full."""


def learning_rate(training: TrainingSpec, step: int, steps_per_epoch: int) -> float:
    """The learning rate of one step.

    A linear warm-up from (nearly) 0 over ``warmup_epochs`` multiplies the schedule: ``step`` loses the
    factor ``lr_decay`` at each milestone (a fraction of all epochs, rounded to whole epochs), ``cosine``
    falls from the peak to 0 over the steps after the warm-up (Loshchilov and Hutter 2017, without
    restarts), ``constant`` stays.

    Args:
        training: epochs, peak and schedule.
        step: counted over the whole training from 0.
        steps_per_epoch: at least 1.
    """
    warmup = training.warmup_epochs * steps_per_epoch
    ramp = min(1.0, (step + 1) / warmup) if warmup > 0 else 1.0
    return training.lr * ramp * _SCHEDULES[training.lr_schedule](training, step, steps_per_epoch, warmup)


def attack_strength(schedule: AttackSchedule, done: float) -> float:
    """The share of its full radius, and of its step, that the inner attack has at one step.

    ``epsilon`` is a hinge: 0, then linear, then 1 (Ngnawe et al., "Robust Fine-Tuning from Non-Robust
    Pretrained Models", ICLR 2026, arXiv 2509.23325): the network learns the task before it is attacked. That
    it starts at 0 and rises linearly to the full radius is theirs; that it rises from one quarter of all
    epochs to three quarters, step by step, and that the attack's step grows with its radius is ours.

    Args:
        schedule: ``constant`` is always 1.
        done: share of all training steps that came before this one, 0 to 1.
    """
    if schedule == "constant":
        return 1.0
    return min(1.0, max(0.0, (done - RAMP_BEGINS) / (RAMP_ENDS - RAMP_BEGINS)))


def _step(training: TrainingSpec, step: int, steps_per_epoch: int, warmup: float) -> float:
    epoch = step // steps_per_epoch
    passed = sum(epoch >= round(milestone * training.epochs) for milestone in training.milestones)
    return float(training.lr_decay**passed)


def _cosine(training: TrainingSpec, step: int, steps_per_epoch: int, warmup: float) -> float:
    whole = training.epochs * steps_per_epoch - warmup
    done = min(1.0, max(0.0, (step - warmup) / whole)) if whole > 0 else 0.0
    return 0.5 * (1.0 + cos(pi * done))


def _constant(training: TrainingSpec, step: int, steps_per_epoch: int, warmup: float) -> float:
    return 1.0


_SCHEDULES = {"step": _step, "cosine": _cosine, "constant": _constant}
