"""The evaluation presets: what measures a student, whatever the job's own preset trains.

The headline is always the worst case, image by image, over all attacks that were run, the curve included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cartl_core.catalog.ensembles import EnsembleName
from cartl_core.spec import Arm, EvaluationPreset, ModelSpec
from cartl_core.spec.datasets import DatasetFacts
from cartl_core.spec.measures.attack import ATTACKS, AttackSpec, Norm, largest_radius

AttackRow = dict[str, Any]
"""Fields of an ``AttackSpec``; norm, radius and step are those of a ``Ball`` where they are not given."""


@dataclass(frozen=True)
class Ball:
    """Where named evaluations search, in pixel units of ``norm``.

    Attributes:
        eps: the usual radius.
        step: of attacks that take one.
        end: no two images are further apart.
    """

    norm: Norm
    eps: float
    step: float
    end: float


USUAL_INPUT = (3, 32)
"""Channels and side of the input that ``USUAL_RADII`` are for; in l2 and l1 a radius hangs on the size."""
USUAL_RADII: dict[Norm, float] = {"l2": 0.5, "l1": 12.0}
"""l2: RobustBench (Croce et al. 2021, arXiv 2010.09670); l1: Croce and Hein 2021, arXiv 2103.01208."""
STEP_SHARE = 0.25
"""A step as a share of the radius, as 2/255 is of 8/255."""


def own_ball(data: DatasetFacts) -> Ball:
    """The data set's own, in linf."""
    return Ball("linf", data.eval_eps, data.eval_step, 1.0)


def usual_ball(norm: Norm, model: ModelSpec) -> Ball | None:
    """In ``norm``, which is not linf; None where the network's input has no usual radius."""
    if (model.channels, model.image_size) != USUAL_INPUT:
        return None
    eps = USUAL_RADII[norm]
    return Ball(norm, eps, STEP_SHARE * eps, largest_radius(norm, model.channels * model.image_size**2))


@dataclass(frozen=True)
class EvaluationFacts:
    """What is run under a preset's name."""

    name: EvaluationPreset
    title: str
    attacks: tuple[AttackRow, ...] = ()
    """In linf at the data set's evaluation radius, in another norm at its usual one."""
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


def attack_settings(row: AttackRow, ball: Ball) -> AttackRow:
    """A row with the radius of the ball, and with its step where the attack takes one."""
    # A null that was written is refused where the row becomes an attack.
    sized = ATTACKS[row.get("name") or "pgd"].sized
    return {"norm": ball.norm, "eps": ball.eps, "step": ball.step if sized else None, **row}


STUDENT_STEPS = 10
STEPS_ACROSS = 4


def validation_attack(arm: Arm) -> AttackSpec:
    """On a student: its own inner attack, or a cheap one at its teacher's radius if it has none."""
    return arm.transfer.attack or student_attack(arm.inner_eps)


def student_attack(eps: float) -> AttackSpec:
    """A cheap attack that shows how a student's robustness moves while it is tuned on clean images."""
    return AttackSpec(label="validation", eps=eps, step=max(eps / STEPS_ACROSS, 1e-6), steps=STUDENT_STEPS)
