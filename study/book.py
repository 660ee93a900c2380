"""The plan beside what was measured so far: what the tables and figures are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from study.compare import choose, chosen_validation
from study.plan import Cell, Plan, Round, cells, cells_of, read_plan
from study.rows import RESULTS, Row, read_rows, students, teachers

USUAL_K = 4
"""Where scales are compared: the trunk that leaves four blocks."""


@dataclass(frozen=True)
class Book:
    """All rows, by pair."""

    plan: Plan
    rows: dict[str, list[Row]]

    def pairs(self) -> list[str]:
        """In the plan's order."""
        return list(self.plan.pairs)

    def seeds(self, pair: str) -> list[int]:
        """The counted seeds of a pair, in the plan's order."""
        return list(dict.fromkeys(cell.seed for cell in cells(self.plan, pair)))

    def counted(self) -> Iterator[tuple[str, int]]:
        """Every (pair, seed) of the plan."""
        return ((pair, seed) for pair in self.pairs() for seed in self.seeds(pair))

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

    def chosen(self, pool: list[Row]) -> Row | None:
        """Of cells of one pair and seed, the one that the validation rule picks."""
        return choose(pool, self.plan.rules.margin)

    def baseline(self, pair: str, seed: int) -> Row | None:
        """The strongest plain transfer: every k and every epoch were open to it."""
        return self.chosen(self.cells(pair, seed, "plain"))

    def faithful(self, pair: str, seed: int) -> Row | None:
        """CARTL as published, by the same rule."""
        return self.chosen([row for row in self.cells(pair, seed) if row["method"].startswith("cartl")])

    def best(self, pair: str, seed: int) -> Row | None:
        """Ours beside the strongest plain transfer."""
        return self.best_beside(pair, seed, self.baseline(pair, seed))

    def best_beside(self, pair: str, seed: int, rival: Row | None) -> Row | None:
        """Ours: the most robust that is at most a margin less clean than the rival, on validation images."""
        if rival is None:
            return None
        least = chosen_validation(rival)[0] - self.plan.rules.margin
        return choose(self.cells(pair, seed, "ours"), self.plan.rules.margin, least=least)

    def finished(self, pair: str, seed: int, *roles: str) -> tuple[int, int]:
        """Cells finished and planned whose method has one of ``roles``."""
        planned = [cell for cell in cells(self.plan, pair) if cell.seed == seed]
        of_role = [cell for cell in planned if self.plan.methods[cell.method].role in roles]
        return len(self.cells(pair, seed, *roles)), len(of_role)

    def progress(self) -> Iterator[tuple[Round, int, int]]:
        """Each round with its cells finished and planned."""
        done = {row["cell"] for rows in self.rows.values() for row in students(rows)}
        for part in self.plan.rounds:
            planned: list[Cell] = list(cells_of(part))
            yield part, sum(cell.name in done for cell in planned), len(planned)

    def _has_role(self, row: Row, roles: tuple[str, ...]) -> bool:
        return not roles or self.plan.methods[row["method"]].role in roles


def read_book(folder: Path = RESULTS, plan: Plan | None = None) -> Book:
    """The rows in ``folder`` beside their plan; the committed ones."""
    plan = plan or read_plan()
    return Book(plan, {pair: read_rows(pair, folder) for pair in plan.pairs})
