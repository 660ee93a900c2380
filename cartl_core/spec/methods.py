"""The methods: a row each of what they switch on, and of the terms that their loss has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cartl_core.spec.training import Objective


@dataclass(frozen=True)
class MethodFacts:
    """What a method switches on."""

    name: str
    title: str
    objective: Objective
    nonexpansive: bool = False
    frozen_affine: bool = False
    displaced: bool = False
    distilled: bool = False
    adversarial: bool = False
    terms: tuple[str, ...] = ()
    """Fields of the terms of ``cartl_core.spec.terms`` that its loss has, without being asked."""

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
        MethodFacts("lwf", "learning without forgetting", "at", distilled=True, terms=("lwf_weight",)),
        MethodFacts("adversarial", "adversarial fine-tuning", "at", adversarial=True),
    )
}

if TYPE_CHECKING:
    Method = str
    MethodOrAuto = str
else:
    Method = Literal[tuple(METHODS)]
    MethodOrAuto = Literal[(*METHODS, "auto")]
"""A name of ``METHODS``: requests are checked against them, and the schema lists them."""
