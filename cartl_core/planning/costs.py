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
FORWARD_BACKWARD_OF_BIASES = 2
"""Forth, and back to features; gradients of weights are the third."""
ATTACK_STEP = 3
HEAD_SHARE = 0.001
"""Of a pass: a linear layer on pooled features."""
# Fooled images leave an attack early; of those that stay each step costs a pass forth and back.
SHARE_OF_STEPS = 0.6


def teacher_cost(pretrain: PretrainSpec, images: int) -> float:
    """All passes of training a teacher on ``images``."""
    passes = FORWARD_BACKWARD * (2 if pretrain.objective == "fdm" else 1)
    return float(images * pretrain.epochs * (pretrain.attack.steps * ATTACK_STEP + passes))


def student_cost(arm: Arm, model: ModelSpec, images: int) -> float:
    """All passes of tuning a student on ``images``: the trunk forth, the tail forth and back.

    A head alone learns from features that go through the trunk once.
    """
    transfer, blocks = arm.transfer, model_facts(model.name).blocks
    head_alone = arm.freeze_depth == blocks - 1
    tail = HEAD_SHARE if head_alone else (blocks - arm.freeze_depth) / blocks
    cached = head_alone and transfer.fixed_features
    back = FORWARD_BACKWARD_OF_BIASES if transfer.tail_weights == "frozen" else FORWARD_BACKWARD
    passes = back * tail + (0 if cached else 1 - tail)
    if transfer.attack is not None:
        passes += transfer.attack.steps * ATTACK_STEP
    if transfer.displacement is not None:
        passes *= 2
        if transfer.displacement.direction == "tail":
            passes += ATTACK_STEP * tail
    if transfer.lwf_weight is not None:
        passes += tail
    once = _displacement_cost(transfer.displacement, 1 - tail) + (1 - tail if cached else 0)
    return images * (transfer.epochs * passes + once)


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
