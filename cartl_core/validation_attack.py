"""The attack of the validation images after each epoch: what it is, and on how many images."""

from __future__ import annotations

from cartl_core.attack_spec import AttackSpec
from cartl_core.spec import Arm

STUDENT_STEPS = 10
STEPS_ACROSS = 4


def validation_attack(arm: Arm) -> AttackSpec:
    """On a student: its own inner attack, or a cheap one at its teacher's radius if it has none."""
    return arm.transfer.attack or student_attack(arm.pretrain.attack.eps)


def student_attack(eps: float) -> AttackSpec:
    """A cheap attack that shows how a student's robustness moves while it is tuned on clean images."""
    return AttackSpec(label="validation", eps=eps, step=max(eps / STEPS_ACROSS, 1e-6), steps=STUDENT_STEPS)
