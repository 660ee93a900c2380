"""The evaluation presets: what measures a student, whatever the job's own preset trains.

The headline is always the worst case, image by image, over all attacks that were run, the curve included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cartl_core.catalog.ensembles import EnsembleName
from cartl_core.spec import Arm, EvaluationPreset
from cartl_core.spec.datasets import DatasetFacts
from cartl_core.spec.measures.attack import ATTACKS, AttackSpec

AttackRow = dict[str, Any]
"""Fields of an ``AttackSpec``; radius and step come from the data set where they are not given."""


@dataclass(frozen=True)
class EvaluationFacts:
    """What is run under a preset's name."""

    name: EvaluationPreset
    title: str
    attacks: tuple[AttackRow, ...] = ()
    """In linf at the data set's evaluation radius."""
    ensemble: EnsembleName | None = None
    """Attacks that go by one name, after those."""
    diagnostics: tuple[str, ...] = ()
    """Of those that the job's preset has settings for, the ones that are made besides."""


def pgd(steps: int) -> AttackRow:
    """Projected gradient descent under its usual label."""
    return {"label": f"pgd{steps}", "steps": steps}


ALL_DIAGNOSTICS = ("curve", "corruptions", "checks", "audit", "gallery")

EVALUATIONS: dict[str, EvaluationFacts] = {
    facts.name: facts
    for facts in (
        EvaluationFacts("quick", "PGD with 10 steps: a first look", (pgd(10),)),
        EvaluationFacts(
            "pgd20",
            "PGD with 20 steps; a curve over eps, common corruptions, checks, layer norms",
            (pgd(20),),
            diagnostics=ALL_DIAGNOSTICS,
        ),
        EvaluationFacts(
            "pgd100",
            "PGD with 20 and with 100 steps, as the paper; a curve over eps, common corruptions, checks, "
            "layer norms",
            (pgd(20), pgd(100)),
            diagnostics=ALL_DIAGNOSTICS,
        ),
        EvaluationFacts(
            "autoattack",
            "AutoAttack's standard four; the same probes. Many times dearer than pgd100",
            ensemble="autoattack",
            diagnostics=ALL_DIAGNOSTICS,
        ),
        EvaluationFacts(
            "ensemble",
            "AutoAttack's four and APGD-DLR, of each what the number of classes allows; the same probes",
            ensemble="ensemble",
            diagnostics=ALL_DIAGNOSTICS,
        ),
    )
}


def attack_settings(row: AttackRow, data: DatasetFacts) -> AttackRow:
    """A row with the radius of the data set, and with its step where the attack takes one."""
    # A null that was written is refused where the row becomes an attack.
    sized = ATTACKS[row.get("name") or "pgd"].sized
    return {"eps": data.eval_eps, "step": data.eval_step if sized else None, **row}


STUDENT_STEPS = 10
STEPS_ACROSS = 4


def validation_attack(arm: Arm) -> AttackSpec:
    """On a student: its own inner attack, or a cheap one at its teacher's radius if it has none."""
    return arm.transfer.attack or student_attack(arm.inner_eps)


def student_attack(eps: float) -> AttackSpec:
    """A cheap attack that shows how a student's robustness moves while it is tuned on clean images."""
    return AttackSpec(label="validation", eps=eps, step=max(eps / STEPS_ACROSS, 1e-6), steps=STUDENT_STEPS)
