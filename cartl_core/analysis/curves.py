"""From the smallest radius that broke each image to the robustness curve and its summaries. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from cartl_core.report.curves import CurvePoint, ExpectedRobustness, MedianDistance, RobustnessCurve
from cartl_core.spec.measures.curve import CurveSpec
from cartl_core.statistics.intervals import mean_of, median_of
from cartl_core.statistics.proportions import wilson

FLOOR = 0.01
"""The curve ends at the first radius with less robust accuracy than this."""


def robustness_curve(radii: Sequence[float], spec: CurveSpec, seed: int) -> RobustnessCurve:
    """The report value of the radii of n images, as ``attacks.minimal_radii`` gives them.

    Args:
        radii: 0 where an image is wrong without an attack, infinite where it is correct at the last radius.
    """
    points = _points(radii, spec.eps)
    return RobustnessCurve(
        norm=spec.norm,
        loss=spec.loss,
        steps=spec.steps,
        step_of_eps=spec.step_of_eps,
        restarts=spec.restarts,
        refine=spec.refine,
        seed=seed,
        n=len(radii),
        points=points,
        floor=FLOOR,
        reached_floor=points[-1].robust.value < FLOOR,
        median_distance=median_distance(radii),
        expected_robustness=expected_robustness(radii, spec.expected_to),
    )


def median_distance(radii: Sequence[float]) -> MedianDistance:
    """Of the images that are right without an attack; see the value for what it means."""
    moved = [radius for radius in radii if radius > 0]
    standing = sum(not isfinite(radius) for radius in moved)
    if not moved:
        return MedianDistance(low=0.0, n=0, standing=0)
    value, low, high = (number if isfinite(number) else None for number in median_of(moved))
    return MedianDistance(value=value, low=low, high=high, n=len(moved), standing=standing)


def expected_robustness(radii: Sequence[float], to_eps: float) -> ExpectedRobustness:
    """The mean of robust accuracy over eps drawn evenly from 0 to ``to_eps``.

    Ngnawe et al. 2025, "Robust fine-tuning from non-robust pretrained models", arXiv 2509.23325, propose
    the expectation over a range of eps as one figure that does not hang on a single one. Here the range is
    part of the figure, and the curve is the steps between the radii found, not a line through a few points.
    """
    value, low, high = mean_of([min(radius / to_eps, 1.0) for radius in radii])
    return ExpectedRobustness(value=value, low=low, high=high, n=len(radii), to_eps=to_eps)


def _points(radii: Sequence[float], eps: Sequence[float]) -> tuple[CurvePoint, ...]:
    points: list[CurvePoint] = []
    for radius in (0.0, *eps):
        standing = sum(own > radius for own in radii)
        points.append(CurvePoint(eps=radius, robust=wilson(standing, len(radii))))
        if points[-1].robust.value < FLOOR:
            break
    return tuple(points)
