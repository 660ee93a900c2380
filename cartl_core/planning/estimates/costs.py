"""What a stage computes, counted before it runs: the one count that estimates and progress stand on.

The unit is one forward pass of one image through the whole network. An attack step counts 2 (forth, and back
to the input), a training step 3 (forth, and back to input and weights).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

from cartl_core.catalog import model_facts
from cartl_core.catalog.evaluations import validation_attack
from cartl_core.catalog.network_size import network_size, trunk_share
from cartl_core.planning.diagnostic_table import DIAGNOSTIC_FACTS
from cartl_core.spec import Arm, AttackSpec, ModelSpec, PretrainSpec
from cartl_core.spec.measures.attack import ATTACKS, steps_in_all
from cartl_core.spec.measures.diagnostics import DiagnosticSpec
from cartl_core.spec.training import TrainingSpec

FORWARD = 1
ATTACK_STEP = 2
TRAINING_STEP = 3
TRAINING_STEP_OF_BIASES = 2
"""Forth, and back to features; gradients of weights are the third."""
# Fooled images leave an attack early. On the demo's pair this share of all steps was computed.
SHARE_OF_STEPS = 0.6
CLASSES = 10
"""Of the head, where a network's size is counted: its share of the whole is nothing."""


@dataclass(frozen=True)
class Cost:
    """What one stage computes.

    Attributes:
        kind: which work it is, e.g. `teacher`, `attack-pgd`: work of one kind goes at one rate.
        passes: of one image through the whole network, forth.
        images: that go through it, those of every epoch counted.
        batches: the same passes, of a batch each: where networks are small, these decide.
    """

    kind: str
    passes: float
    images: float
    batches: float = 0.0


@dataclass(frozen=True)
class Images:
    """Of one data set: those that are trained on, and those that choose an epoch."""

    train: int
    validation: int = 0


def macs_of_a_pass(model: ModelSpec) -> int:
    """Multiply-adds of one pass of one image."""
    return network_size(model, CLASSES).macs


def size_class(macs: float) -> int:
    """Networks of about one size have one class: the power of two of their multiply-adds a pass."""
    return round(log2(max(macs, 1)))


def teacher_cost(pretrain: PretrainSpec, images: Images) -> float:
    """All passes of training a teacher, its validation included."""
    passes = TRAINING_STEP * (2 if pretrain.objective == "fdm" else 1)
    an_epoch = images.train * (ATTACK_STEP * pretrain.attack.steps + passes)
    return pretrain.epochs * (an_epoch + _validation(pretrain, images, pretrain.attack))


def student_cost(arm: Arm, model: ModelSpec, images: Images) -> float:
    """All passes of tuning a student: the trunk forth, the tail forth and back; its validation included.

    A head alone learns from features that go through the trunk once, and cached views from one pass each.
    """
    transfer = arm.transfer
    trunk = trunk_share(model, CLASSES, arm.freeze_depth)
    views = transfer.cached_views if arm.freeze_depth else None
    cached = views is not None or (trains_head_alone(arm, model) and transfer.fixed_features)
    trained = TRAINING_STEP_OF_BIASES if transfer.tail_weights == "frozen" else TRAINING_STEP
    a_step = trained * (1 - trunk) + (0 if cached else FORWARD * trunk)
    if transfer.attack is not None:
        a_step += ATTACK_STEP * transfer.attack.steps
    once = FORWARD * trunk * (views or 1) if cached else 0.0
    if (moved := transfer.displacement) is not None:
        a_step *= 2
        if moved.direction == "tail":
            a_step += ATTACK_STEP * (1 - trunk)
        once += moved.copies * trunk * (ATTACK_STEP * moved.steps + 2 * FORWARD)
    if transfer.lwf_weight is not None:
        a_step += FORWARD * (1 - trunk)
    an_epoch = images.train * a_step + _validation(transfer, images, validation_attack(arm))
    return transfer.epochs * an_epoch + images.train * once


def trains_head_alone(arm: Arm, model: ModelSpec) -> bool:
    """Whether every block but the last is frozen."""
    return arm.freeze_depth == model_facts(model.name).blocks - 1


def _validation(training: TrainingSpec, images: Images, attack: AttackSpec) -> float:
    """All validation images are classified, some of them attacked."""
    steps = SHARE_OF_STEPS * ATTACK_STEP * attack.steps
    return FORWARD * images.validation + steps * min(images.validation, training.validate_images)


def measurement_cost(attack: AttackSpec | None, images: int) -> float:
    """All passes of one attack on ``images`` test images; None: of their accuracy without one."""
    if attack is None:
        return float(FORWARD * images)
    a_step = ATTACK_STEP if ATTACKS[attack.name].gradients else FORWARD
    steps = steps_in_all(attack.loss, attack.steps, attack.restarts, attack.samples, attack.targets)
    return images * (FORWARD + SHARE_OF_STEPS * a_step * steps)


def diagnostic_cost(name: str, asked: DiagnosticSpec, images: int) -> float:
    """All passes of one diagnostic on ``images`` test images, or on those that it asks for."""
    passes = DIAGNOSTIC_FACTS[name].passes(asked)
    return looked_at(asked, images) * (FORWARD * passes.forward + ATTACK_STEP * passes.gradients)


def looked_at(asked: DiagnosticSpec, images: int) -> int:
    """Those of ``images`` that a diagnostic asks for."""
    return min(images, asked.images or images)
