"""The diagnostics, a row each: what they are, what their report value is, what they cost. Torch-free.

To add one: a spec (``DiagnosticSpec``) as a field of ``EvaluateSpec``, a report value as a field of the
same name in ``Figures``, a row here, and the function that computes it in
``cartl_core.evaluation.diagnostics``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from cartl_core.catalog.check_attacks import EPS_ONE, RADII, RADIUS_STEPS, SEGMENTS
from cartl_core.report.certificates import Audit, SmoothingResult
from cartl_core.report.checks import Checked
from cartl_core.report.curves import CorruptionResults, RobustnessCurve
from cartl_core.report.gallery import Gallery
from cartl_core.report.values import Value
from cartl_core.spec.measures.certificates import AuditSpec, SmoothingSpec
from cartl_core.spec.measures.corruptions import CorruptionsSpec
from cartl_core.spec.measures.curve import CurveSpec
from cartl_core.spec.measures.diagnostics import ChecksSpec, GallerySpec


class Passes(NamedTuple):
    """What a diagnostic costs for each image it looks at."""

    forward: float
    """Passes forth alone."""
    gradients: float
    """Passes forth, and back to the input."""


@dataclass(frozen=True)
class DiagnosticFacts:
    """What a diagnostic is and takes."""

    name: str
    """Field of ``EvaluateSpec`` that asks for it, and of ``Figures`` that has what it found."""
    title: str
    value: type[Value]
    passes: Callable[[Any], Passes]
    """From its spec."""
    uses_others: bool = False
    """It also looks at the job's other students, e.g. to transfer attacks from them."""
    own_only: bool = False
    """It looks at the job's own student alone, at no baseline."""
    recipe: int = 1
    """Raised when its code finds other numbers for the same spec."""


SHARE_OF_RADII = 0.3
"""Of all steps that a curve would take if no image ever fell, those that are taken: 0.19 of a plainly and
0.37 of an adversarially trained network on 12 radii, measured; less of a longer grid."""


def _curve(asked: CurveSpec) -> Passes:
    starts = 1 + asked.restarts
    radii = SHARE_OF_RADII * len(asked.eps) * starts
    return Passes(forward=1 + radii, gradients=asked.steps * (radii + asked.refine))


def _corruptions(asked: CorruptionsSpec) -> Passes:
    return Passes(forward=len(asked.columns), gradients=0)


SHARE_OF_STEPS = 0.6
"""Of an attack's steps at the radius of the evaluation; ``SHARE_AT_RADII`` over rising radii, and of those
at eps 1 that little is left to do."""
SHARE_AT_RADII = 0.4
SHARE_AT_EPS_ONE = 0.1
DOUBLE = 2
"""Passes in single precision that one in double costs."""


def _checks(asked: ChecksSpec) -> Passes:
    """Outputs, tiny changes and a line in double precision, then attacks; one climbs another network."""
    steps = asked.attack.steps
    at_radii = SHARE_AT_RADII * RADIUS_STEPS * len(RADII)
    at_eps_one = SHARE_AT_EPS_ONE * EPS_ONE.steps * EPS_ONE.restarts
    return Passes(
        forward=5 + (3 + SEGMENTS) * DOUBLE + SHARE_OF_STEPS * asked.queries,
        gradients=2 + SEGMENTS * DOUBLE + at_radii + at_eps_one + SHARE_OF_STEPS * 2 * steps + steps,
    )


def _audit(asked: AuditSpec) -> Passes:
    """Features thrice, logits once in double precision; the bounds of the layers are not counted."""
    return Passes(forward=5, gradients=asked.steps)


def _smoothing(asked: SmoothingSpec) -> Passes:
    return Passes(forward=asked.n0 + asked.n, gradients=0)


def _gallery(asked: GallerySpec) -> Passes:
    return Passes(forward=2, gradients=asked.steps)


DIAGNOSTIC_FACTS: dict[str, DiagnosticFacts] = {
    facts.name: facts
    for facts in (
        DiagnosticFacts("curve", "robustness over eps", RobustnessCurve, _curve),
        DiagnosticFacts("corruptions", "accuracy under common corruptions", CorruptionResults, _corruptions),
        DiagnosticFacts(
            "checks", "checks against self-deception", Checked, _checks, uses_others=True, recipe=2
        ),
        DiagnosticFacts("audit", "norms of the layers", Audit, _audit),
        DiagnosticFacts("smoothing", "randomised smoothing", SmoothingResult, _smoothing),
        DiagnosticFacts("gallery", "worst images", Gallery, _gallery, own_only=True),
    )
}
