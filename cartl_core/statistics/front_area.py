"""The area under a front of clean and robust accuracy: a method as one figure.

"On the Robustness Tradeoff in Fine-Tuning" (ICCV 2025, arXiv 2503.14836) compares ways of fine-tuning by
the area under their Pareto frontiers. How it joins the points of a frontier, and what it measures from, we
could not look up. So this is a definition of our own: the hypervolume against the origin (Zitzler and Thiele
1999), which is the share of the unit square that some setting reaches or exceeds in both accuracies. It joins
nothing: between two settings none is supposed. Torch-free.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import Field

from cartl_core.report.values import Value
from cartl_core.spec import Method
from cartl_core.statistics.intervals import mean_interval


class FrontArea(Value):
    """The area under the front of a method's settings on validation images."""

    method: Method
    settings: int = Field(ge=1, description="Points of which the front is made; more of them reach farther.")
    seeds: tuple[int, ...] = Field(description="Those that have finished with every setting of the method.")
    value: float = Field(
        ge=0,
        le=1,
        description="The mean over the seeds of the area of each; 1 is perfect in both accuracies.",
    )
    low: float | None = Field(
        ge=0, le=1, description="Student's 95 % interval over the seeds; null where there is one alone."
    )
    high: float | None = Field(ge=0, le=1)


def front_area(points: Iterable[tuple[float, float]]) -> float:
    """The hypervolume of the points against (0, 0); 0 of none.

    Args:
        points: (clean, robust) accuracy, each 0 to 1; those off the front change nothing.

    Returns:
        0 to 1. A single point gives clean times robust.

    Raises:
        ValueError: an accuracy is outside [0, 1].
    """
    area = highest = 0.0
    for clean, robust in sorted(points, key=lambda point: (-point[0], -point[1])):
        if not (0 <= clean <= 1 and 0 <= robust <= 1):
            raise ValueError(f"accuracies must be between 0 and 1, not ({clean}, {robust})")
        if robust > highest:
            area += clean * (robust - highest)
            highest = robust
    return min(1.0, area)


def area_over_seeds(method: Method, settings: Sequence[dict[int, tuple[float, float]]]) -> FrontArea | None:
    """Of each seed that every setting has, and their mean; None where there is no such seed.

    Args:
        settings: of each setting (clean, robust) accuracy by seed.
    """
    seeds = [seed for seed in settings[0] if all(seed in figures for figures in settings)] if settings else []
    areas = [front_area(figures[seed] for figures in settings) for seed in seeds]
    if not areas:
        return None
    value, low, high = mean_interval(areas) if len(areas) > 1 else (areas[0], None, None)
    return FrontArea(
        method=method,
        settings=len(settings),
        seeds=tuple(seeds),
        value=min(1.0, value),
        low=None if low is None else max(0.0, low),
        high=None if high is None else min(1.0, high),
    )
