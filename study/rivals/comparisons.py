"""Rows to comparisons: means over the seeds of a pair, differences with 95 % intervals (Student's)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from cartl_core.statistics.intervals import mean_interval
from study.choice.areas import area_of
from study.compare import Point, accuracy, difference, judged, last
from study.rivals.choices import ATTACK, beside, rivals
from study.rivals.plan import RESULTS, RivalsPlan, read_rivals_plan
from study.rivals.processor import one_processor
from study.rows import Row, read_rows
from study.study_results import StudyResults, results_of

Interval = tuple[float, float, float]
"""Mean, low, high."""


@dataclass(frozen=True)
class Line:
    """Two ways of tuning on one pair. Accuracies and differences (first less second) are fractions.

    Attributes:
        robust: difference of robust accuracy; a mean without an interval where there is one seed.
        clean: difference of clean accuracy, likewise.
    """

    pair: str
    name: str
    seeds: int
    first: tuple[float, float]
    second: tuple[float, float]
    robust: Interval | None
    clean: Interval | None


def read(folder: Path = RESULTS, plan: RivalsPlan | None = None) -> tuple[RivalsPlan, StudyResults]:
    """The plan and the rows in ``folder``; the committed ones.

    Raises:
        ValueError: rows of one pair and seed were made on two processors.
    """
    plan = plan or read_rivals_plan()
    rows = {pair: read_rows(pair, folder) for pair in plan.pairs}
    for pair, of_pair in rows.items():
        for seed in {row["seed"] for row in of_pair}:
            one_processor([row for row in of_pair if row["seed"] == seed], f"{pair}, seed {seed}")
    return plan, results_of(plan, rows)


def finished(plan: RivalsPlan, results: StudyResults) -> StudyResults:
    """Only pairs and seeds whose comparison is whole: what was cut short counts for nothing."""
    rows = {
        pair: [row for row in of_pair if row["seed"] in _whole(plan, results, pair)]
        for pair, of_pair in results.rows.items()
    }
    return replace(results, rows=rows)


def beside_rivals(plan: RivalsPlan, results: StudyResults) -> list[Line]:
    """Ours less each rival, each at its choice on validation images."""
    made: list[Line] = []
    for pair in plan.within():
        found = [one for seed in results.seeds(pair) for one in beside(plan, results, pair, seed)]
        for name in rivals(plan):
            both = [(one.ours, one.theirs) for one in found if one.rival == name]
            made += _line(pair, name, both)
    return made


def across_domains(plan: RivalsPlan, results: StudyResults) -> list[Line]:
    """Every method less plain tuning from the usual teacher: the same k, the last epoch of both."""
    made: list[Line] = []
    for pair in plan.across:
        for name in plan.compared.domains:
            both = list(_same_depth(results, pair, name, plan.compared.plain[0]))
            made += _line(pair, name, both)
    return made


def areas(plan: RivalsPlan, results: StudyResults) -> list[tuple[str, str, list[tuple[float, float]]]]:
    """(pair, method, (plain, own) of each seed): areas under the front of the epochs of one cell.

    The cell is that with the most tuned blocks of a method, so that each has as many points.
    """
    made = []
    for pair in plan.within():
        for name in (*plan.compared.cheap, *plan.compared.ours, *plan.compared.dearer):
            both = []
            for seed in results.seeds(pair):
                own, plain = (_deepest(results, pair, seed, one) for one in (name, plan.compared.plain[0]))
                if own is not None and plain is not None:
                    both.append((area_of([plain]), area_of([own])))
            if both:
                made.append((pair, name, both))
    return made


def means(points: Sequence[Point]) -> tuple[float, float]:
    """(clean, robust) accuracy on test images, over the seeds."""
    return fmean(accuracy(one, None) for one in points), fmean(accuracy(one, ATTACK) for one in points)


def _whole(plan: RivalsPlan, results: StudyResults, pair: str) -> set[int]:
    seeds = {row["seed"] for row in results.rows[pair]}
    if pair in plan.across:
        return seeds
    return {
        seed
        for seed in seeds
        if {one.rival for one in beside(plan, results, pair, seed)} >= _needed(plan)
        and all(
            judged(point, ATTACK)
            for one in beside(plan, results, pair, seed)
            for point in (one.ours, one.theirs)
        )
    }


def _needed(plan: RivalsPlan) -> set[str]:
    return {*plan.compared.plain, *plan.compared.cheap, *plan.soups}


def _same_depth(results: StudyResults, pair: str, method: str, plain: str) -> Iterator[tuple[Point, Point]]:
    for seed in results.seeds(pair):
        rows = {(row["method"], row["k"]): row for row in results.cells(pair, seed)}
        for (name, k), row in rows.items():
            if name == method and (plain, k) in rows:
                yield last(row), last(rows[plain, k])


def _deepest(results: StudyResults, pair: str, seed: int, method: str) -> Row | None:
    rows = [row for row in results.cells(pair, seed) if row["method"] == method]
    return max(rows, key=lambda row: int(row["k"]), default=None)


def _line(pair: str, name: str, both: Sequence[tuple[Point, Point]]) -> Iterator[Line]:
    if not both:
        return
    robust, clean = (
        [difference(first, second, attack).value for first, second in both] for attack in (ATTACK, None)
    )
    yield Line(
        pair,
        name,
        len(both),
        means([first for first, _ in both]),
        means([second for _, second in both]),
        mean_interval(robust) if len(both) > 1 else None,
        mean_interval(clean) if len(both) > 1 else None,
    )
