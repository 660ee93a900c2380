"""The plan beside what was measured so far: what the tables and figures are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cartl_core.catalog.candidates import depths_to_try
from cartl_core.statistics.candidate_selection import CandidateScore
from cartl_core.statistics.candidate_selection import choose as choose_candidate
from study.compare import Point, choose, own, points_of
from study.plan import (
    Cell,
    Plan,
    Round,
    cells,
    cells_of,
    once_more,
    read_plan,
)
from study.rows import (
    RESULTS,
    Row,
    evaluations,
    read_rows,
    students,
    teachers,
    validations,
)

SELECTABLE = ("plain", "paper", "ours")
"""Roles of the methods whose cells are drawn and examined beside each other."""
USUAL_K = 4
"""Where scales are compared: the trunk that leaves four blocks."""


@dataclass(frozen=True)
class StudyResults:
    """All rows, by pair; a cell's ``outcomes`` hold what later evaluations added.

    ``slack`` is how much less clean than the baseline ours may be on validation images.
    """

    plan: Plan
    rows: dict[str, list[Row]]
    slack: float

    def again(self) -> StudyResults:
        """The comparison once more: its own seeds and slack, and only its pairs."""
        named = {pair for part in self.plan.again.rounds for pair in part.pairs}
        pairs = {name: pair for name, pair in self.plan.pairs.items() if name in named}
        plan = once_more(self.plan).model_copy(update={"pairs": pairs})
        return replace(self, plan=plan, slack=plan.again.slack)

    def pairs(self) -> list[str]:
        """In the plan's order."""
        return list(self.plan.pairs)

    def seeds(self, pair: str) -> list[int]:
        """The counted seeds of a pair, in the plan's order."""
        return list(dict.fromkeys(cell.seed for cell in cells(self.plan, pair)))

    def counted(self) -> Iterator[tuple[str, int]]:
        """Every (pair, seed) of the plan."""
        return ((pair, seed) for pair in self.pairs() for seed in self.seeds(pair))

    def everywhere(self) -> Iterator[tuple[str, int]]:
        """Those of the comparison once more as well."""
        yield from self.counted()
        yield from self.again().counted()

    def of_seed(self, pair: str, seed: int) -> StudyResults:
        """The view in which a pair and seed are compared."""
        return self if seed in self.seeds(pair) else self.again()

    def cells(self, pair: str, seed: int, *roles: str) -> list[Row]:
        """The finished cells whose method has one of ``roles`` (none: all), in the plan's order."""
        order = {cell.name: place for place, cell in enumerate(cells(self.plan, pair))}
        found = [
            row
            for row in students(self.rows[pair])
            if row["seed"] == seed and row["cell"] in order and self._has_role(row, roles)
        ]
        return sorted(found, key=lambda row: order[row["cell"]])

    def teachers(self, pair: str, seed: int) -> list[Row]:
        """The teachers of a pair and seed, in the order in which they were trained."""
        return [row for row in teachers(self.rows[pair]) if row["seed"] == seed]

    def usual_depth(self, pair: str) -> int:
        """Blocks frozen where ``USUAL_K`` are tuned."""
        return self.plan.pairs[pair].blocks - USUAL_K

    def baseline(self, pair: str, seed: int) -> Point | None:
        """The strongest plain transfer: every k and every epoch were open to it at once."""
        return choose(points_of(self.cells(pair, seed, "plain")), self.plan.rules.margin)

    def best(self, pair: str, seed: int) -> Point | None:
        """Ours beside the strongest plain transfer."""
        return self.best_beside(pair, seed, self.baseline(pair, seed))

    def best_beside(self, pair: str, seed: int, baseline: Point | None, *farther: str) -> Point | None:
        """Ours: the most robust that is at most ``slack`` less clean than the baseline on validation images.

        Args:
            farther: roles that count as ours besides.
        """
        if baseline is None:
            return None
        ours = points_of(self.cells(pair, seed, "ours", *farther))
        return choose(ours, self.plan.rules.margin, least=baseline.clean - self.slack)

    def farther(self, pair: str, seed: int) -> Point | None:
        """Ours where the radius of the teacher's training is open too, beside the strongest plain."""
        if not self.cells(pair, seed, "farther"):
            return None
        return self.best_beside(pair, seed, self.baseline(pair, seed), "farther")

    def nearest(self, pair: str, seed: int) -> Point | None:
        """The baseline next to ours on the plain frontier: the most robust at most a margin less clean."""
        ours = self.best(pair, seed)
        if ours is None:
            return None
        margin = self.plan.rules.margin
        return choose(points_of(self.cells(pair, seed, "plain")), margin, least=ours.clean - margin)

    def faithful(self, pair: str, seed: int) -> Point | None:
        """CARTL as published, by the rule of the strongest plain transfer."""
        rows = [row for row in self.cells(pair, seed) if row["method"].startswith("cartl")]
        return choose(points_of(rows), self.plan.rules.margin)

    def beside_faithful(self, pair: str, seed: int) -> Point | None:
        """Ours beside CARTL."""
        return self.best_beside(pair, seed, self.faithful(pair, seed))

    def candidates(self, pair: str, seed: int) -> list[Row]:
        """The finished cells that ``auto`` would have tried."""
        blocks, tried = self.plan.pairs[pair].blocks, self.plan.automatic
        of_k = [blocks - depth for depth in depths_to_try(blocks)]
        return [row for row in self.cells(pair, seed) if row["method"] in tried and row["k"] in of_k]

    def challengers(self, pair: str, seed: int) -> list[Row]:
        """The finished cells of ours and of what ``auto`` tries, plain transfer left out."""
        plain = {row["cell"] for row in self.cells(pair, seed, "plain")}
        named = {row["cell"] for row in (*self.cells(pair, seed, "ours"), *self.candidates(pair, seed))}
        return [row for row in self.cells(pair, seed) if row["cell"] in named - plain]

    def automatic(self, pair: str, seed: int, lead: float | None = None) -> Point | None:
        """What the service's rule picks of its candidates: an epoch in each cell, then a cell.

        None before it is known which validation images each of them held.

        Args:
            lead: that is asked of others than plain transfer; None: the plan's.
        """
        points = [own(row) for row in self.candidates(pair, seed)]
        found = [self._score(point) for point in points if point.weighed is not None]
        if len(found) < len(points) or not any(score.baseline for score in found):
            return None
        images, asked = points[0].row["weighed"]["images"], self.plan.lead if lead is None else lead
        return points[choose_candidate(found, images, self.plan.rules.margin, asked).chosen]

    def freely(self, pair: str, seed: int) -> Point | None:
        """What it picks where any lead over plain transfer is enough."""
        return self.automatic(pair, seed, lead=0.0)

    def plain_by_itself(self, pair: str, seed: int) -> Point | None:
        """What the same rule picks of plain transfer."""
        return choose(map(own, self.cells(pair, seed, "plain")), self.plan.rules.margin)

    def first_rule(self, pair: str, seed: int) -> tuple[Point, Point] | None:
        """(strongest plain, ours) by the plan's first rule: an epoch in each cell, then a cell."""
        margin = self.plan.rules.margin
        plain = self.plain_by_itself(pair, seed)
        if plain is None:
            return None
        ours = choose(map(own, self.cells(pair, seed, "ours")), margin, least=plain.clean - margin)
        return None if ours is None else (plain, ours)

    def finished(self, pair: str, seed: int, *roles: str) -> tuple[int, int]:
        """Cells finished and planned whose method has one of ``roles``."""
        planned = [cell for cell in cells(self.plan, pair) if cell.seed == seed]
        of_role = [cell for cell in planned if self.plan.methods[cell.method].role in roles]
        return len(self.cells(pair, seed, *roles)), len(of_role)

    def progress(self) -> Iterator[tuple[Round, int, int]]:
        """Each round with its cells finished and planned."""
        done = {row["cell"] for rows in self.rows.values() for row in students(rows)}
        for part in (*self.plan.rounds, *self.plan.again.rounds):
            planned: list[Cell] = list(cells_of(part))
            yield part, sum(cell.name in done for cell in planned), len(planned)

    def _score(self, point: Point) -> CandidateScore:
        found = point.weighed
        assert found is not None
        robust = tuple(digit == "1" for digit in found["stood"])
        plain = self._has_role(point.row, ("plain",))
        return CandidateScore(found["right"], robust, tuned=point.row["k"], baseline=plain)

    def _has_role(self, row: Row, roles: tuple[str, ...]) -> bool:
        return not roles or self.plan.methods[row["method"]].role in roles


def results_of(plan: Plan, rows: dict[str, list[Row]]) -> StudyResults:
    """``rows`` with each evaluation's outcome, and its correct validation images, in the cell it is of.

    The slack is half the margin, so that chance on a few validation images does not spend the whole of it on
    test images.
    """
    added = {pair: _with_evaluations(of_pair) for pair, of_pair in rows.items()}
    return StudyResults(plan, added, plan.rules.margin / 2)


def read_results(folder: Path = RESULTS, plan: Plan | None = None) -> StudyResults:
    """The rows in ``folder`` beside their plan; the committed ones."""
    plan = plan or read_plan()
    return results_of(plan, {pair: read_rows(pair, folder) for pair in plan.pairs})


def _with_evaluations(rows: list[Row]) -> list[Row]:
    outcomes: dict[str, dict[str, Any]] = {}
    for row in evaluations(rows):
        outcomes.setdefault(row["cell"], {})[str(row["epoch"])] = row["outcome"]
    weighed = {row["cell"]: row for row in validations(rows)}
    return [
        row
        | {
            "outcomes": row["outcomes"] | outcomes.get(row["cell"], {}),
            "weighed": weighed.get(row["cell"]),
        }
        if row["kind"] == "cell"
        else row
        for row in rows
        if row["kind"] not in ("exam", "standing")
    ]
