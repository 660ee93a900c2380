"""The attacks, a row each: what norms and losses they know and which settings they take.

Below the spec, which checks against these rows, and torch-free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AttackName = Literal["pgd"]
Norm = Literal["linf", "l2", "l1"]
AttackLoss = Literal["ce", "margin", "dlr"]

LARGEST_RADIUS: dict[Norm, float] = {"linf": 1.0, "l2": 444.0, "l1": 200_000.0}
"""No two images of [0, 1] are further apart: 256 x 256 x 3 pixels are the largest input."""

LEAST_CLASSES: dict[AttackLoss, int] = {"dlr": 3}
"""A difference of logits ratio divides by the gap to the third logit."""


@dataclass(frozen=True)
class AttackFacts:
    """What an attack is and takes."""

    name: AttackName
    title: str
    source: str
    norms: tuple[Norm, ...]
    losses: tuple[AttackLoss, ...]
    """The first is used where none is given."""
    sized: bool
    """It takes ``step``; the others size their steps themselves."""
    passes_per_step: int
    """Forward passes that one step costs: 1 without a gradient, 2 with one."""


ATTACKS: dict[str, AttackFacts] = {
    facts.name: facts
    for facts in (
        AttackFacts(
            "pgd",
            "projected gradient descent with restarts; any misclassified iterate counts",
            "Madry et al. 2018, arXiv 1706.06083",
            norms=("linf", "l2", "l1"),
            losses=("ce", "margin", "dlr"),
            sized=True,
            passes_per_step=2,
        ),
    )
}
