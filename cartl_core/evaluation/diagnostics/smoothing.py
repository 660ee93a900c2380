"""Randomised smoothing as a diagnostic: a radius an image, or abstention."""

from __future__ import annotations

from torch import Tensor

from cartl_core.evaluation.diagnostics.base import Batch, Subject
from cartl_core.evaluation.diagnostics.lipschitz_audit import certified_at
from cartl_core.evaluation.randomized_smoothing import certified_radius, certify
from cartl_core.report.certificates import SmoothingResult
from cartl_core.spec.measures.certificates import SmoothingSpec
from cartl_core.statistics.proportions import wilson

STRIDE = 0.25
"""Radii of the curve, as multiples of sigma: up to the largest that n draws can certify."""
RIGHT, RADIUS, ABSTAINED = "right", "radius", "abstained"


def batch(subject: Subject, asked: SmoothingSpec) -> Batch:
    """Of each image: is the smoothed class right, its certified radius (float64), was there none."""

    def rows(images: Tensor, labels: Tensor, indices: Tensor) -> dict[str, Tensor]:
        found = certify(
            subject.network,
            images,
            sigma=asked.sigma,
            n0=asked.n0,
            n=asked.n,
            alpha=asked.alpha,
            seed=subject.seed,
            indices=indices,
        )
        right = (found.predicted == labels.cpu()) & ~found.abstained
        return {RIGHT: right, RADIUS: found.radius, ABSTAINED: found.abstained}

    return rows


def summarise(subject: Subject, asked: SmoothingSpec, rows: dict[str, Tensor]) -> SmoothingResult:
    """Certified accuracy over radius."""
    n = len(subject.labels)
    reach = certified_radius(asked.n, asked.n, sigma=asked.sigma, alpha=asked.alpha)
    count = 1 + int(reach / (STRIDE * asked.sigma))
    curve = tuple(
        certified_at(STRIDE * asked.sigma * multiple, rows[RIGHT], rows[RADIUS]) for multiple in range(count)
    )
    return SmoothingResult(
        sigma=asked.sigma,
        n0=asked.n0,
        n=asked.n,
        alpha=asked.alpha,
        largest_radius=reach,
        curve=curve,
        abstained=wilson(int(rows[ABSTAINED].sum()), n),
    )
