"""The area under the front of each method, beside that of plain transfer."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from cartl_core.statistics.front_area import front_area
from cartl_core.statistics.intervals import mean_interval
from study.compare import points_of
from study.marks import table
from study.rows import Row
from study.study_results import StudyResults
from study.summary import METHODS, PLAIN

TUNED = (4, 6)
"""Blocks tuned of which a front is made, after every epoch: as many points for each method."""


def areas(results: StudyResults) -> str:
    """On validation images; a row for each method and pair with two seeds or more that have both k."""
    rows = []
    for pair in results.pairs():
        by_seed = {seed: _areas(results, pair, seed) for other, seed in results.everywhere() if other == pair}
        for method, (title, _) in METHODS.items():
            both = [
                (found[PLAIN], found[method]) for found in by_seed.values() if {PLAIN, method} <= set(found)
            ]
            if len(both) < 2:
                continue
            mean, low, high = mean_interval([own - plain for plain, own in both])
            plain, own = (fmean(values) for values in zip(*both, strict=True))
            difference = f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"
            rows.append([pair, title, str(len(both)), f"{plain:.3f}", f"{own:.3f}", difference])
    return table("pair|method|seeds|plain transfer|this method|difference (95 %)", rows)


def area_of(rows: Iterable[Row]) -> float:
    """Under the front of every epoch of these cells, on validation images."""
    return front_area((point.clean, point.robust) for point in points_of(rows))


def _areas(results: StudyResults, pair: str, seed: int) -> dict[str, float]:
    """Of every method that has each k."""
    cells: dict[str, list[Row]] = {}
    for row in results.of_seed(pair, seed).cells(pair, seed):
        if row["k"] in TUNED:
            cells.setdefault(row["method"], []).append(row)
    return {
        method: area_of(rows) for method, rows in cells.items() if {row["k"] for row in rows} == set(TUNED)
    }
