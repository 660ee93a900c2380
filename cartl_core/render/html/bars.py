"""Where the parts of a small bar lie: a proportion or a difference with its interval, at a glance.

The drawing itself is in ``templates/macros.html``. Lengths are in its units: a bar is 120 wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WIDTH = 120


@dataclass(frozen=True)
class Bar:
    """A value and its interval along a bar; each is where it begins, from the left."""

    value: float
    low: float
    width: float
    """Of the interval; never too narrow to be seen."""
    mark: float
    """The line at the value, which is 2 wide."""


def proportion(value: float, low: float, high: float, most: float) -> Bar:
    """On a scale from 0 to ``most``; what is beyond is drawn at its end."""

    def at(share: float) -> float:
        return round(WIDTH * min(max(share / most, 0.0), 1.0), 1)

    return Bar(at(value), at(low), _width(at(low), at(high)), mark=round(max(at(value) - 1, 0), 1))


def difference(value: float, low: float, high: float, most: float) -> Bar:
    """On a scale from -``most`` to ``most``, around a line at zero."""

    def at(share: float) -> float:
        return round(WIDTH / 2 * (1 + min(max(share / most, -1.0), 1.0)), 1)

    return Bar(at(value), at(low), _width(at(low), at(high)), mark=round(at(value) - 1, 1))


DIRECTIONS: dict[Literal["better", "worse", "within_noise"], Literal["up", "down", "even"]] = {
    "better": "up",
    "worse": "down",
    "within_noise": "even",
}
"""The class of a difference's bar, which has its colour, by the verdict of its test."""


def _width(low: float, high: float) -> float:
    return max(round(high - low, 1), 1)
