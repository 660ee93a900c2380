"""The attacks, a row each: what norms and losses they know and which settings they take.

Below the spec, which checks against these rows, and torch-free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AttackName = Literal["pgd", "apgd", "fab", "square"]
Norm = Literal["linf", "l2", "l1"]
AttackLoss = Literal["ce", "margin", "dlr", "targeted_dlr", "targeted_margin"]
"""What an attack climbs; FAB crosses the boundary where the targeted margin is 0."""

LARGEST_RADIUS: dict[Norm, float] = {"linf": 1.0, "l2": 444.0, "l1": 200_000.0}
"""No two images of [0, 1] are further apart: 256 x 256 x 3 pixels are the largest input."""

LEAST_CLASSES: dict[AttackLoss, int] = {"dlr": 3, "targeted_dlr": 4}
"""A difference of logits ratio divides by the gap to the third logit, targeted to the fourth too."""

TARGETS = 9
"""Classes that a targeted attack aims at, one after the other, the likeliest first."""

TARGETED: frozenset[AttackLoss] = frozenset({"targeted_dlr", "targeted_margin"})
"""Losses that aim at one class at a time."""


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
    gradients: bool
    """Each of its steps asks for a gradient; else for logits alone."""
    always_random: bool = False
    """It has no start but a random one."""


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
            gradients=True,
        ),
        AttackFacts(
            "apgd",
            "auto-PGD: momentum, and steps that halve where they no longer pay",
            "Croce and Hein 2020, arXiv 2003.01690",
            norms=("linf", "l2"),
            losses=("ce", "dlr", "targeted_dlr"),
            sized=False,
            gradients=True,
        ),
        AttackFacts(
            "fab",
            "fast adaptive boundary, targeted: the nearest image across each boundary, no step to size",
            "Croce and Hein 2020, arXiv 1907.02044",
            norms=("linf", "l2"),
            losses=("targeted_margin",),
            sized=False,
            gradients=True,
        ),
        AttackFacts(
            "square",
            "Square: random search by squares, a black box attack; a step is a query",
            "Andriushchenko et al. 2020, arXiv 1912.00049",
            norms=("linf", "l2"),
            losses=("margin",),
            sized=False,
            gradients=False,
            always_random=True,
        ),
    )
}


def steps_in_all(loss: AttackLoss, steps: int, restarts: int) -> int:
    """Steps of an attack on an image that never falls, over restarts and targets, at most."""
    return steps * restarts * (TARGETS if loss in TARGETED else 1)
