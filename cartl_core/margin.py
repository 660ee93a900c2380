"""The most robust within a margin of the cleanest: the rule by which epochs and settings are chosen.

Both figures are accuracies on validation images. (``choice`` has the same rule for candidates on the same
images, where it can count exactly.)
"""

from __future__ import annotations

from collections.abc import Mapping

_SLACK = 1e-9
"""Accuracies are counts over n: far less than one image, far more than what subtraction rounds."""


def by_preference(figures: Mapping[int, tuple[float, float]], margin: float) -> list[int]:
    """Those near enough to the cleanest one, the preferred one first; none of none.

    Of equally robust ones the cleaner is preferred, then the one with the smaller number. The first lies on
    the Pareto front.

    Args:
        figures: clean and robust accuracy, 0 to 1, by number.
        margin: of clean accuracy, as a fraction.
    """
    least = max((clean for clean, _ in figures.values()), default=0.0) - margin - _SLACK
    near = [number for number, (clean, _) in figures.items() if clean >= least]
    return sorted(near, key=lambda number: (-figures[number][1], -figures[number][0], number))
