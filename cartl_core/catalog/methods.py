"""The methods: a row each of what they switch on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cartl_core.spec import Method, Objective


@dataclass(frozen=True)
class MethodFacts:
    """What a method switches on."""

    name: Method
    title: str
    objective: Objective
    nonexpansive: bool = False
    frozen_affine: bool = False
    displaced: bool = False
    distilled: bool = False
    adversarial: bool = False

    def depths(self, blocks: int) -> range:
        """The freeze depths that a network of so many blocks allows it."""
        if self.distilled:
            return range(1)
        return range(1 if self.objective == "fdm" or self.displaced else 0, blocks)


METHODS: dict[str, MethodFacts] = {
    facts.name: facts
    for facts in (
        MethodFacts("vanilla", "plain transfer", "at"),
        MethodFacts("neft", "non-expansive fine-tuning", "at", nonexpansive=True),
        MethodFacts("cartl", "CARTL", "fdm", nonexpansive=True, frozen_affine=True),
        MethodFacts("consistent", "consistent tuning", "at", displaced=True),
        MethodFacts("lwf", "learning without forgetting", "at", distilled=True),
        MethodFacts("adversarial", "adversarial fine-tuning", "at", adversarial=True),
    )
}

DISTANCE_WEIGHTS: dict[str, float] = {"spread": 4.0, "relative": 5.0, "cosine": 45.0}
"""Lambda of each feature distance of ours. `spread`: from trials on MNIST to Fashion-MNIST; the others
weigh as much at the features of a plain robust teacher (docs/explanation/decisions has the distances)."""

OPERATOR_BETA = 1.0
"""Spectral scale where it is that of the true norm: the largest that is non-expansive."""

DISPLACEMENT_STEPS = 10
DISPLACEMENT_STEP = 0.25
"""Of the attack that displaces features: steps, and the step's share of the radius (Madry et al. 2018)."""


def consistent(weight: float) -> dict[str, Any]:
    """Fields of a `consistent` student, whose features must stay as they are.

    Reach and weight are the dial between clean and robust accuracy (docs/study/).
    """
    return {
        "augmentation": "none",
        "trunk_statistics": "teacher",
        "displacement": {"loss": "consistency", "direction": "tail", "reach": 0.25, "weight": weight},
    }
