"""What is chosen on validation images: each rival's own point, and ours beside it.

A *point* is a student after one of its epochs, or a soup; see ``study.compare``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from study.compare import Point, choose, judged, points_of
from study.rivals.plan import RivalsPlan
from study.rows import Row
from study.study_results import StudyResults

ATTACK = "pgd20"
"""The only attack that is run here on test images."""


@dataclass(frozen=True)
class Beside:
    """A rival at its own choice, and ours that is about as clean on validation images."""

    rival: str
    theirs: Point
    ours: Point


def soup_rows(results: StudyResults, pair: str, seed: int) -> list[Row]:
    """The soups of a pair and seed, in the order in which they were made."""
    return [row for row in results.rows[pair] if row["kind"] == "soup" and row["seed"] == seed]


def rivals(plan: RivalsPlan) -> dict[str, str]:
    """Everything that ours is put beside, with its title, in the order of the tables."""
    named = (*plan.compared.plain, *plan.compared.cheap)
    soups = {name: soup.title for name, soup in plan.soups.items()}
    methods = {name: plan.methods[name].title for name in (*named, *plan.compared.dearer)}
    return {name: methods[name] for name in named} | soups | methods


def points(results: StudyResults, pair: str, seed: int, *methods: str) -> list[Point]:
    """Every epoch of every finished cell of ``methods``; of a soup its one point."""
    rows = [
        row
        for row in (*results.cells(pair, seed), *soup_rows(results, pair, seed))
        if row["method"] in methods
    ]
    return list(points_of(rows))


def own_choice(results: StudyResults, pair: str, seed: int, method: str) -> Point | None:
    """What a method would take by itself: the most robust near its cleanest. None where it was not run."""
    return choose(points(results, pair, seed, method), results.plan.rules.margin)


def beside(plan: RivalsPlan, results: StudyResults, pair: str, seed: int) -> Iterator[Beside]:
    """Each rival that was run on a pair and seed, with ours beside it."""
    candidates = points(results, pair, seed, *plan.compared.ours)
    for name in rivals(plan):
        theirs = own_choice(results, pair, seed, name)
        if theirs is None:
            continue
        ours = choose(candidates, plan.rules.margin, least=theirs.clean - plan.rules.margin / 2)
        if ours is not None:
            yield Beside(name, theirs, ours)


def unexamined(plan: RivalsPlan, results: StudyResults, pair: str, seed: int) -> list[Point]:
    """What is compared and was not yet attacked on test images, each once."""
    chosen = [point for found in beside(plan, results, pair, seed) for point in (found.theirs, found.ours)]
    wanted = {point.same_as: point for point in chosen if not judged(point, ATTACK)}
    return list(wanted.values())
