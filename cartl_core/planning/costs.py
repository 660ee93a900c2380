"""How far a run is, by estimated cost, and how long the rest will take by the rate measured so far.

The unit of cost is one forward pass of one image; a backward pass counts two.
"""

from __future__ import annotations

from cartl_core.catalog import model_facts
from cartl_core.planning.diagnostic_table import DIAGNOSTIC_FACTS
from cartl_core.spec import Arm, AttackSpec, DisplacementSpec, ModelSpec, PretrainSpec
from cartl_core.spec.attack import ATTACKS, steps_in_all
from cartl_core.spec.diagnostics import DiagnosticSpec

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


def diagnostic_cost(name: str, asked: DiagnosticSpec, images: int) -> float:
    """All passes of one diagnostic on ``images`` test images, or on those that it asks for."""
    passes = DIAGNOSTIC_FACTS[name].passes(asked)
    return min(images, asked.images or images) * (passes.forward + ATTACK_STEP * passes.gradients)
