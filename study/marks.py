"""How the study's tables speak: cells, differences and empty tables as text."""

from __future__ import annotations

from study.compare import HEADLINE, Difference, Point, accuracy
from study.rows import Row

NOT_RUN = "not run yet"


def table(head: str, rows: list[list[str]]) -> str:
    """Rows under ``head``, whose titles are parted by bars; without rows it says so."""
    if not rows:
        return f"({NOT_RUN})"
    titles = head.split("|")
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def who(point: Point) -> str:
    """A cell, its stopping epoch and its test figures."""
    return f"{point.row['method']}, k {point.row['k']}, epoch {point.epoch}: {figures(point)}"


def brief(point: Point) -> str:
    """A method and its test figures."""
    return f"{point.row['method']}: {figures(point)}"


def figures(point: Point) -> str:
    """Clean and PGD-100 accuracy on test images, percent."""
    return f"{100 * accuracy(point, None):.1f} / {100 * accuracy(point, HEADLINE):.1f}"


def moved(by: Difference) -> str:
    """A difference in points with its paired 95 % interval."""
    return f"{100 * by.value:+.1f} ({100 * by.low:+.1f} to {100 * by.high:+.1f})"


def p_value(by: Difference) -> str:
    """McNemar's p."""
    return "< 0.0001" if by.p < 1e-4 else f"{by.p:.4f}"


def place(row: Row) -> list[str]:
    """Pair and seed."""
    return [row["pair"], str(row["seed"])]


def reached(goal: bool) -> str:
    """Of a goal."""
    return "reached" if goal else "not reached"
