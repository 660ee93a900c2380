"""Is it real? What the comparison chose, under an ensemble of other attacks.

A tail that was tuned against moved features might hide its gradients instead of being robust. So the chosen
points are attacked by the library's ``ensemble`` too: APGD on the cross-entropy and on the difference of
logits, plain and targeted, FAB and Square, which needs no gradient: AutoAttack's four and one more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from cartl_core.ensembles import ENSEMBLES
from study.book import Book
from study.compare import HEADLINE, Point, accuracy, difference
from study.exam import Exam, part_of
from study.marks import moved, table
from study.plan import Pair
from study.rows import Row, strongest

IMAGES = 256
CHOICES: tuple[Callable[[Book, str, int], Point | None], ...] = (Book.baseline, Book.best, Book.faithful)
LAST = "en-square"
"""The ensemble's last member: what stands after it stands."""


def ensemble_exam(exam: Exam, pair: Pair, classes: int) -> Exam:
    """The first ``IMAGES`` that are attacked: PGD-100, then every member that the classes allow."""
    count = min(IMAGES, exam.attacked)
    usual = tuple(attack for attack in exam.attacks if attack.label == HEADLINE)
    members = ENSEMBLES["ensemble"].expand("linf", pair.eps, classes)
    images = part_of(exam.images, torch.arange(count))
    return replace(exam, images=images, attacked=count, attacks=(*usual, *members))


def unattacked(book: Book, pair: str, seed: int) -> list[Point]:
    """What the comparison chose and the ensemble has not seen; each point once."""
    seen = _examined(book, pair)
    chosen = [choice(book, pair, seed) for choice in CHOICES]
    points = {point.same_as: point for point in chosen if point is not None}
    return [point for same_as, point in points.items() if same_as not in seen]


def under_the_ensemble(book: Book) -> str:
    """The ensemble on the strongest plain transfer, on ours and on CARTL, where it has seen all of them."""
    rows = []
    for pair, seed in book.counted():
        seen = _examined(book, pair)
        chosen = [point for point in (choice(book, pair, seed) for choice in CHOICES) if point is not None]
        if not chosen or any(point.same_as not in seen for point in chosen):
            continue
        plain, *others = (Point(seen[point.same_as], point.epoch) for point in chosen)
        rows.append([*_line(plain), ""])
        rows += [[*_line(other), moved(difference(other, plain, LAST))] for other in others]
    head = "pair|seed|point|images|PGD-100|and the ensemble|over plain transfer, points"
    return table(head, rows)


def _examined(book: Book, pair: str) -> dict[tuple[str, int], Row]:
    """Rows as those of cells, with the one outcome that the ensemble gave."""
    return {
        (row["cell"], row["epoch"]): {**row, "outcomes": {str(row["epoch"]): row["outcome"]}}
        for row in strongest(book.rows[pair])
    }


def _line(point: Point) -> list[str]:
    row = point.row
    count = str(len(row["outcome"]["fate"]))
    figures = [f"{100 * accuracy(point, attack):.1f}" for attack in (HEADLINE, LAST)]
    name = f"{row['method']}, k {row['k']}, epoch {point.epoch}"
    return [row["pair"], str(row["seed"]), name, count, *figures]
