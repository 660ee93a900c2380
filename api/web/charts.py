"""Charts as SVG, drawn on the server: a curve with its band for each job, points with their intervals, and
a series of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 10, 44
TICKS = 5


@dataclass(frozen=True)
class Line:
    """One curve: points (x, y, low, high), y from 0 to 1."""

    label: str
    points: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True)
class Dot:
    """One point with its intervals; ``marked`` where it is on the front."""

    label: str
    x: float
    x_low: float
    x_high: float
    y: float
    y_low: float
    y_high: float
    marked: bool = False
    best: bool = False


@dataclass(frozen=True)
class Frame:
    """Where values of x and y lie in the picture."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    x_marks: tuple[float, ...] | None = None
    """Values of x with a mark; None spreads them evenly."""

    def x(self, value: float) -> float:
        """In pixels from the left."""
        share = (value - self.x_low) / ((self.x_high - self.x_low) or 1.0)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """In pixels from above."""
        share = (value - self.y_low) / ((self.y_high - self.y_low) or 1.0)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    @property
    def x_ticks(self) -> tuple[float, ...]:
        """Values with a mark on the axis."""
        return self.x_marks if self.x_marks is not None else _ticks(self.x_low, self.x_high)

    @property
    def y_ticks(self) -> tuple[float, ...]:
        """Likewise."""
        return _ticks(self.y_low, self.y_high)


def frame_of_lines(lines: Sequence[Line]) -> Frame:
    """From 0 to the largest radius, from 0 to 1; marked are radii that were measured."""
    radii = sorted({0.0, *(point[0] for line in lines for point in line.points)})
    apart = -(-len(radii) // (TICKS + 1))
    return Frame(0.0, radii[-1] or 1.0, 0.0, 1.0, tuple(sorted(radii[::-1][::apart])))


def frame_of_dots(dots: Sequence[Dot]) -> Frame:
    """As wide as the intervals, and a little more."""
    if not dots:
        return Frame(0.0, 1.0, 0.0, 1.0)
    x = _widened(min(dot.x_low for dot in dots), max(dot.x_high for dot in dots))
    y = _widened(min(dot.y_low for dot in dots), max(dot.y_high for dot in dots))
    return Frame(*x, *y)


def frame_of_series(count: int) -> Frame:
    """A place for each of ``count`` points, 1 to ``count``, y from 0 to 1; the last one is marked."""
    apart = max(1, -(-count // TICKS))
    marks = tuple(float(at) for at in range(count, 0, -apart))
    return Frame(0.5, count + 0.5, 0.0, 1.0, marks[::-1])


def path_of(line: Line, frame: Frame) -> str:
    """The curve, as the ``d`` of a path."""
    return "M" + " L".join(f"{frame.x(point[0])} {frame.y(point[1])}" for point in line.points)


def band_of(line: Line, frame: Frame) -> str:
    """Its interval, as a closed path."""
    there = [f"{frame.x(point[0])} {frame.y(point[3])}" for point in line.points]
    back = [f"{frame.x(point[0])} {frame.y(point[2])}" for point in reversed(line.points)]
    return "M" + " L".join([*there, *back]) + " Z"


def _widened(low: float, high: float) -> tuple[float, float]:
    margin = 0.06 * (high - low) or 0.02
    return max(0.0, low - margin), min(1.0, high + margin)


def _ticks(low: float, high: float) -> tuple[float, ...]:
    return tuple(low + (high - low) * at / (TICKS - 1) for at in range(TICKS))
