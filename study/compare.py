"""From rows to comparisons: who is chosen on validation images, how far apart two cells are on test images.

Everything here takes rows of one pair. Two cells of one pair and seed were examined on the very same
images, so they are compared image by image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from cartl_core.statistics import mcnemar, paired_difference
from study.exam import ATTACKS, held
from study.plan import Plan
from study.rows import Row

HEADLINE = "pgd100"
"""The attack of the comparison, as in the paper; the margin loss is shown beside it."""
Wanted: TypeAlias = Callable[[Row], bool]


@dataclass(frozen=True)
class Difference:
    """First less second, in accuracy; ``low`` and ``high`` are its paired 95 % interval."""

    value: float
    low: float
    high: float
    p: float
    n: int


def of_role(plan: Plan, *roles: str) -> Wanted:
    """Whether a cell's method has one of these roles."""
    return lambda row: plan.methods[row["method"]].role in roles


def choose(rows: Iterable[Row], margin: float, *, least: float | None = None) -> Row | None:
    """The most robust cell on validation images whose clean accuracy there is high enough; None of none.

    Args:
        rows: cells of one pair and seed.
        margin: clean accuracy that may be given up, compared with the cleanest of ``rows``.
        least: instead, the clean accuracy that is enough. Where no cell has it the cleanest is chosen.
    """
    pool = list(rows)
    if not pool:
        return None
    highest = max(chosen_validation(row)[0] for row in pool)
    enough = min(highest, highest - margin if least is None else least)
    allowed = [row for row in pool if chosen_validation(row)[0] >= enough]
    return max(allowed, key=lambda row: (chosen_validation(row)[1], chosen_validation(row)[0]))


def chosen_validation(row: Row) -> tuple[float, float]:
    """(clean, robust) accuracy on validation images at the cell's chosen epoch."""
    clean, robust = row["validation"][row["chosen"] - 1]
    return clean, robust


def last_epoch(row: Row) -> int:
    """The number of epochs of a cell."""
    return len(row["validation"])


def accuracy(row: Row, attack: str | None, *, epoch: int | None = None) -> float:
    """On test images, at the chosen epoch or another that was examined."""
    stood = _stood(row, attack, epoch)
    return sum(stood) / len(stood)


def difference(
    first: Row, second: Row, attack: str | None, *, epochs: tuple[int, int] | None = None
) -> Difference:
    """How much better ``first`` is than ``second`` on their common test images, with McNemar's exact p.

    Args:
        attack: None compares accuracy without an attack.
        epochs: of each; None: those that were chosen.

    Raises:
        ValueError: the two cells were not examined on the same images.
    """
    if (first["pair"], first["seed"]) != (second["pair"], second["seed"]):
        raise ValueError(f"{first['cell']} and {second['cell']} have no images in common")
    chosen = epochs or (first["chosen"], second["chosen"])
    ours, theirs = (_stood(row, attack, epoch) for row, epoch in zip((first, second), chosen, strict=True))
    only_first = sum(a and not b for a, b in zip(ours, theirs, strict=True))
    only_second = sum(b and not a for a, b in zip(ours, theirs, strict=True))
    value, low, high = paired_difference(only_first, only_second, len(ours))
    return Difference(value, low, high, mcnemar(only_first, only_second), len(ours))


def best_on_test(rows: Sequence[Row], margin: float) -> Row | None:
    """What ``choose`` would pick if it could see the test images: the end of the exhaustive grid."""
    if not rows:
        return None
    highest = max(accuracy(row, None) for row in rows)
    allowed = [row for row in rows if accuracy(row, None) >= highest - margin]
    return max(allowed, key=lambda row: accuracy(row, HEADLINE))


def teacher_figures(row: Row) -> dict[str, float]:
    """Clean accuracy of a teacher on its source, and what each attack leaves."""
    named: dict[str, Any] = {"clean": None, **{attack: attack for attack in ATTACKS}}
    stood = {name: held(row["outcome"], attack) for name, attack in named.items()}
    return {name: sum(images) / len(images) for name, images in stood.items()}


def _stood(row: Row, attack: str | None, epoch: int | None) -> list[bool]:
    return held(row["outcomes"][str(epoch or row["chosen"])], attack)
