"""What the checks are made with, where a request leaves it open: the norm and radius of the job's attacks."""

from __future__ import annotations

from collections.abc import Sequence

from cartl_core.attack_facts import ATTACKS
from cartl_core.catalog import DatasetFacts
from cartl_core.spec import AttackSpec

STEPS = 50
"""At most, of the checks' own attack."""
STEP_SHARE = 0.25
"""Its step as a share of the radius, where the job's attack has none."""


def attack_of_checks(attacks: Sequence[AttackSpec], data: DatasetFacts) -> AttackSpec:
    """Made like the job's attack on the cross-entropy that tries hardest, with fewer steps.

    Where the job has none with a radius, at the data set's own radius.
    """
    climbing = [
        attack
        for attack in attacks
        if attack.loss == "ce" and ATTACKS[attack.name].gradients and attack.eps > 0
    ]
    if not climbing:
        return AttackSpec(label="checks", eps=data.eval_eps, step=data.eval_step, steps=STEPS)
    hardest = max(climbing, key=lambda attack: attack.steps * attack.restarts)
    return AttackSpec(
        label="checks",
        norm=hardest.norm,
        eps=hardest.eps,
        step=hardest.step or STEP_SHARE * hardest.eps,
        steps=min(STEPS, hardest.steps),
    )
