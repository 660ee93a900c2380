"""From rows to comparisons: which point is chosen on validation images, how far apart two are on test images.

A *point* is a student as it was after one of its epochs. Two points of one pair and seed were examined on the
very same images, so they are compared image by image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cartl_core.statistics.proportions import mcnemar, paired_difference
from study.evaluation import ATTACKS, robust_images
from study.rivals.processor import one_processor
from study.rows import Row

HEADLINE = "pgd100"
"""The attack of the comparison, as in the paper; the margin loss is shown beside it."""
SLACK = 1e-9
"""Accuracies are counts over n: far less than one image, far more than what subtraction rounds."""


@dataclass(frozen=True, eq=False)
class Point:
    """A cell after ``epoch``, counted from 1."""

    row: Row
    epoch: int

    @property
    def clean(self) -> float:
        """Accuracy on validation images."""
        return float(self.row["validation"][self.epoch - 1][0])

    @property
    def robust(self) -> float:
        """Accuracy on attacked validation images."""
        return float(self.row["validation"][self.epoch - 1][1])

    @property
    def weighed(self) -> Row | None:
        """Which validation images it got right and held, as exported; None where that was not kept."""
        found: Row | None = self.row["weighed"]
        return found if found is not None and found["epoch"] == self.epoch else None

    @property
    def outcome(self) -> dict[str, Any] | None:
        """What became of the test images; None where they were not looked at."""
        found: dict[str, Any] | None = self.row["outcomes"].get(str(self.epoch))
        return found

    @property
    def same_as(self) -> tuple[str, int]:
        """Equal for equal points."""
        return self.row["cell"], self.epoch


@dataclass(frozen=True)
class Difference:
    """First less second, in accuracy; ``low`` and ``high`` are its paired 95 % interval."""

    value: float
    low: float
    high: float
    p: float
    n: int


def points_of(rows: Iterable[Row]) -> Iterator[Point]:
    """Every epoch of every cell."""
    return (Point(row, epoch) for row in rows for epoch in range(1, last_epoch(row) + 1))


def own(row: Row) -> Point:
    """A cell at the epoch that it would stop at by itself."""
    return Point(row, row["chosen"])


def last(row: Row) -> Point:
    """A cell at its end."""
    return Point(row, last_epoch(row))


def last_epoch(row: Row) -> int:
    """The number of epochs of a cell."""
    return len(row["validation"])


def choose(points: Iterable[Point], margin: float, *, least: float | None = None) -> Point | None:
    """The most robust on validation images whose clean accuracy there is high enough; None of none.

    Of equally robust ones the cleaner, then the first.

    Args:
        points: of one pair and seed.
        margin: clean accuracy that may be given up, compared with the cleanest of ``points``.
        least: instead, the clean accuracy that is enough. Where no point has it the cleanest is chosen.
    """
    pool = list(points)
    if not pool:
        return None
    highest = max(point.clean for point in pool)
    enough = min(highest, highest - margin if least is None else least) - SLACK
    allowed = [point for point in pool if point.clean >= enough]
    return max(allowed, key=lambda point: (point.robust, point.clean))


def accuracy(point: Point, attack: str | None) -> float:
    """On test images, without an attack or after ``attack`` and all before it."""
    robust = _robust(point, attack)
    return sum(robust) / len(robust)


def difference(first: Point, second: Point, attack: str | None) -> Difference:
    """How much better ``first`` is than ``second`` on their common test images, with McNemar's exact p.

    Args:
        attack: None compares accuracy without an attack.

    Raises:
        ValueError: the two were not examined on the same images, or not by this attack, or were made on two
            processors.
    """
    places = [(point.row["pair"], point.row["seed"]) for point in (first, second)]
    if places[0] != places[1]:
        raise ValueError(f"{first.row['cell']} and {second.row['cell']} have no images in common")
    one_processor([first.row, second.row], f"{first.row['cell']} and {second.row['cell']}")
    ours, theirs = _robust(first, attack), _robust(second, attack)
    only_first = sum(a and not b for a, b in zip(ours, theirs, strict=True))
    only_second = sum(b and not a for a, b in zip(ours, theirs, strict=True))
    value, low, high = paired_difference(only_first, only_second, len(ours))
    return Difference(value, low, high, mcnemar(only_first, only_second), len(ours))


def best_on_test(points: Sequence[Point], margin: float) -> Point | None:
    """What ``choose`` would pick of examined points if it could see the test images."""
    if not points:
        return None
    highest = max(accuracy(point, None) for point in points)
    allowed = [point for point in points if accuracy(point, None) >= highest - margin - SLACK]
    return max(allowed, key=lambda point: accuracy(point, HEADLINE))


def judged(point: Point | None, attack: str) -> bool:
    """Whether ``attack`` was run on the test images of a point."""
    return point is not None and point.outcome is not None and attack in point.outcome["attacks"]


def teacher_figures(row: Row) -> dict[str, float]:
    """Clean accuracy of a teacher on its source, and what each attack leaves."""
    named: dict[str, Any] = {"clean": None, **{attack: attack for attack in ATTACKS}}
    robust = {name: robust_images(row["outcome"], attack) for name, attack in named.items()}
    return {name: sum(images) / len(images) for name, images in robust.items()}


def _robust(point: Point, attack: str | None) -> list[bool]:
    if point.outcome is None:
        raise ValueError(f"{point.row['cell']} was not examined after epoch {point.epoch}")
    return robust_images(point.outcome, attack)
