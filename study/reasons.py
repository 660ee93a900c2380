"""Why: what is forgotten along the way, how fast students fall beyond the teacher's radius, and what can be
done from a teacher that is not robust.
"""

from __future__ import annotations

from collections.abc import Iterator

from study.compare import HEADLINE, Point, accuracy, difference, last
from study.marks import moved, place, table
from study.radii import MULTIPLES, robust_shares
from study.rows import Row, radius_rows
from study.study_results import StudyResults

FORGETTING = ("vanilla", "turned", "turned-mild")
"""Methods whose way over the epochs is shown."""
SCHEDULES = ("vanilla", "adversarial", "clean-vanilla", "clean-adversarial", "clean-adversarial-epsilon")
"""Tuned from the robust teacher, then from one that is not; each is compared with the two below."""
ROBUST_TEACHER, CONSTANT = "adversarial", "clean-adversarial"
FEWEST_K = 3
"""Fewer depths say nothing of how forgetting grows with them."""


def cells_with_radii(results: StudyResults, pair: str, seed: int) -> list[tuple[Row, Row]]:
    """(cell, its row of growing radii) of each cell that has one, in the plan's order."""
    found = {row["cell"]: row for row in radius_rows(results.rows[pair])}
    return [(row, found[row["cell"]]) for row in results.cells(pair, seed) if row["cell"] in found]


def seeds_with_radii(results: StudyResults) -> Iterator[tuple[str, int]]:
    """(pair, seed) of the first seed of each pair that has such rows."""
    for pair in results.pairs():
        yield from [(pair, seed) for seed in results.seeds(pair) if cells_with_radii(results, pair, seed)][:1]


def radii(results: StudyResults) -> str:
    """Accuracy at each radius, of each cell that was looked at."""
    rows = []
    for pair, seed in results.counted():
        for cell, row_of_radii in cells_with_radii(results, pair, seed):
            figures = [f"{100 * value:.1f}" for value in robust_shares(row_of_radii)]
            rows.append([*place(cell), cell["method"], *figures])
    head = ["pair", "seed", "method", "eps 0", *(f"{multiple:g} eps" for multiple in MULTIPLES)]
    return table("|".join(head), rows)


def ways(results: StudyResults, pair: str, seed: int, method: str) -> list[Row]:
    """The finished cells of one method, the fewest blocks tuned first."""
    found = [row for row in results.cells(pair, seed) if row["method"] == method]
    return sorted(found, key=lambda row: int(row["k"]))


def peak(row: Row) -> Point:
    """A cell after its epoch that was most robust on validation images; of equals the first."""
    robust = [figures[1] for figures in row["validation"]]
    return Point(row, 1 + robust.index(max(robust)))


def forgetting(results: StudyResults) -> str:
    """What each way loses from its peak to its end, on validation images."""
    rows = []
    for pair, seed in results.counted():
        for row in (row for method in FORGETTING for row in ways(results, pair, seed, method)):
            highest, end = peak(row), last(row)
            lost = f"{100 * (highest.robust - end.robust):.1f}"
            figures = [f"{100 * highest.robust:.1f}", str(highest.epoch), f"{100 * end.robust:.1f}", lost]
            rows.append([*place(row), row["method"], str(row["k"]), *figures])
    head = "pair|seed|method|k|PGD-10 at its peak, val.|after epoch|after the last|lost, points"
    return table(head, rows)


def regimes(results: StudyResults) -> Iterator[tuple[str, int]]:
    """(pair, first seed) of each pair whose plain transfer was run at enough k to draw."""
    for pair in results.pairs():
        seed = results.seeds(pair)[0]
        if len(ways(results, pair, seed, FORGETTING[0])) >= FEWEST_K:
            yield pair, seed


def schedule(results: StudyResults) -> str:
    """Tuning from a teacher that is not robust beside tuning from one that is, all after their last epoch."""
    rows = []
    for pair, seed in results.counted():
        for k in sorted(
            {row["k"] for row in results.cells(pair, seed) if row["method"].startswith("clean-")}
        ):
            ends = {row["method"]: last(row) for row in results.cells(pair, seed) if row["k"] == k}
            rows += [
                [pair, str(seed), str(k), *_beside(results, ends, method)]
                for method in SCHEDULES
                if method in ends
            ]
    head = (
        "pair|seed|k|method|teacher|clean|PGD-100"
        f"|PGD-100 against {ROBUST_TEACHER}, points|against {CONSTANT}, points"
    )
    return table(head, rows)


def _beside(results: StudyResults, ends: dict[str, Point], method: str) -> Iterator[str]:
    point = ends[method]
    yield method
    yield results.plan.methods[method].teacher
    yield from (f"{100 * accuracy(point, attack):.1f}" for attack in (None, HEADLINE))
    for other in (ROBUST_TEACHER, CONSTANT):
        known = other in ends and other != method
        yield moved(difference(point, ends[other], HEADLINE)) if known else ""
