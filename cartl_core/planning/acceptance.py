"""Criteria that a run could not judge are refused before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from math import isclose

from cartl_core.catalog.candidates import PLAIN
from cartl_core.errors import SpecError
from cartl_core.spec import Arm, EvaluateSpec
from cartl_core.spec.acceptance import AcceptSpec, EvaluationAcceptSpec
from cartl_core.spec.measures.radius import SAME_RADIUS


def check_acceptance(accept: EvaluationAcceptSpec | None, evaluate: EvaluateSpec) -> None:
    """Refuse a radius at which nothing attacks.

    Raises:
        SpecError: naming the field, and the radii that there are.
    """
    asked = accept.robust_accuracy if accept else None
    if asked is None:
        return
    radii = sorted({attack.eps for attack in evaluate.attacks if attack.norm == asked.norm})
    if not any(isclose(asked.at, eps, rel_tol=SAME_RADIUS) for eps in radii):
        raise SpecError(
            "accept.robust_accuracy.at",
            f"no attack of this job has the radius {asked.at:g} in {asked.norm}",
            allowed=", ".join(f"{eps:g}" for eps in radii)
            or f"an attack in {asked.norm} in evaluate.attacks",
        )


def check_plain_baseline(accept: AcceptSpec | None, baselines: Sequence[Arm], *, chooses: bool) -> None:
    """Refuse a comparison with plain transfer where there is none, or where no attack would tell.

    Args:
        chooses: the run chooses among candidates, of which the best plain one is a baseline.

    Raises:
        SpecError: naming the field, and what to add.
    """
    if accept is None or accept.kept_against_plain is None or chooses:
        return
    if not any(arm.method == PLAIN for arm in baselines):
        raise SpecError(
            "accept.kept_against_plain",
            "no baseline of this job is plain transfer",
            allowed=f"beside a baseline of method {PLAIN}",
        )
