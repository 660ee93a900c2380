"""How far a run is, by estimated cost, and how long the rest will take by the rate measured so far.

The unit of cost is one forward pass of one image; a backward pass counts two.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from cartl_core.attack_facts import ATTACKS, steps_in_all
from cartl_core.catalog import model_facts
from cartl_core.events import Progress, Reporter
from cartl_core.probe_facts import PROBE_FACTS
from cartl_core.probe_spec import ProbeSpec
from cartl_core.spec import Arm, AttackSpec, DisplacementSpec, ModelSpec, PretrainSpec
from cartl_core.stage_keys import StageKey

FORWARD_BACKWARD = 3
ATTACK_STEP = 3
# Fooled images leave an attack early; of those that stay each step costs a pass forth and back.
SHARE_OF_STEPS = 0.6


def teacher_cost(pretrain: PretrainSpec, images: int) -> float:
    """All passes of training a teacher on ``images``."""
    passes = FORWARD_BACKWARD * (2 if pretrain.objective == "fdm" else 1)
    return float(images * pretrain.epochs * (pretrain.attack.steps * ATTACK_STEP + passes))


def student_cost(arm: Arm, model: ModelSpec, images: int) -> float:
    """All passes of tuning a student on ``images``: the trunk forth, the tail forth and back."""
    transfer, blocks = arm.transfer, model_facts(model.name).blocks
    tail = (blocks - arm.freeze_depth) / blocks
    passes = (1 - tail) + FORWARD_BACKWARD * tail
    if transfer.attack is not None:
        passes += transfer.attack.steps * ATTACK_STEP
    if transfer.displacement is not None:
        passes *= 2
        if transfer.displacement.direction == "tail":
            passes += ATTACK_STEP * tail
    if transfer.lwf_weight is not None:
        passes += tail
    return images * (transfer.epochs * passes + _displacement_cost(transfer.displacement, 1 - tail))


def _displacement_cost(displacement: DisplacementSpec | None, trunk: float) -> float:
    """Passes of one image: what is found once through the trunk."""
    if displacement is None:
        return 0.0
    return displacement.copies * trunk * (displacement.steps * ATTACK_STEP + 2)


def measurement_cost(attack: AttackSpec | None, images: int) -> float:
    """All passes of one attack on ``images`` test images."""
    if attack is None:
        return float(images)
    a_step = ATTACK_STEP if ATTACKS[attack.name].gradients else 1
    steps = steps_in_all(attack.loss, attack.steps, attack.restarts)
    return images * (1 + SHARE_OF_STEPS * a_step * steps)


def probe_cost(name: str, asked: ProbeSpec, images: int) -> float:
    """All passes of one probe on ``images`` test images, or on those that it asks for."""
    passes = PROBE_FACTS[name].passes(asked)
    return min(images, asked.images or images) * (passes.forward + ATTACK_STEP * passes.gradients)


class Meter:
    """Turns the progress of single stages into that of the run, reported at most once a second.

    Args:
        costs: of every stage of the run, by digest.
    """

    def __init__(
        self,
        costs: Mapping[str, float],
        report: Reporter,
        *,
        every_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._costs = dict(costs)
        self._report = report
        self._every_seconds = every_seconds
        self._clock = clock
        self._fractions = dict.fromkeys(self._costs, 0.0)
        self._computed = 0.0
        self._computing_since: float | None = None
        self._computing_from = 0.0
        self._seconds = 0.0
        self._told_at: float | None = None

    def replan(self, costs: Mapping[str, float]) -> None:
        """From here on these are the stages of the run; what is done of those that stay is kept."""
        self._costs = dict(costs)
        self._fractions = {digest: self._fractions.get(digest, 0.0) for digest in self._costs}

    def begin(self, fraction: float) -> None:
        """A stage is being computed; the ``fraction`` it had done before is not part of the rate."""
        self._computing_since = self._clock()
        self._computing_from = fraction

    def advance(self, key: StageKey, fraction: float) -> None:
        """``fraction`` of the stage is done."""
        self._fractions[key.digest] = fraction
        now = self._clock()
        if self._told_at is None or now - self._told_at >= self._every_seconds:
            self._told_at = now
            self._tell(key)

    def finish(self, key: StageKey) -> None:
        """A stage is done, computed or found."""
        if self._computing_since is not None:
            self._seconds += self._clock() - self._computing_since
            self._computed += (1.0 - self._computing_from) * self._costs.get(key.digest, 0.0)
            self._computing_since = None
        self._fractions[key.digest] = 1.0
        self._told_at = self._clock()
        self._tell(key)

    def _tell(self, key: StageKey) -> None:
        whole = sum(self._costs.values())
        done = sum(cost * self._fractions[digest] for digest, cost in self._costs.items())
        self._report(
            Progress(
                stage=key.kind,
                label=key.label,
                fraction=min(1.0, done / whole) if whole else 1.0,
                seconds_left=self._seconds_left(key, whole - done),
            )
        )

    def _seconds_left(self, key: StageKey, cost_left: float) -> float | None:
        seconds, computed = self._seconds, self._computed
        if self._computing_since is not None:
            seconds += self._clock() - self._computing_since
            fresh = self._fractions[key.digest] - self._computing_from
            computed += max(0.0, fresh) * self._costs.get(key.digest, 0.0)
        if computed <= 0 or seconds <= 0:
            return None
        return max(0.0, cost_left * seconds / computed)
