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
    head_only: bool = False
    """All blocks but the head are frozen, whatever depth its job has."""
    frozen_weights: bool = False
    """Of the tail biases and norms are tuned, and the head; the other weights stay the teacher's."""
    terms: tuple[str, ...] = ()
    """Fields of the terms of ``cartl_core.spec.terms`` that its loss has, without being asked."""

    @property
    def fixed_features(self) -> bool:
        """Whether it learns from features of the trunk that are computed once."""
        return self.displaced or self.head_only

    def own_depth(self, blocks: int) -> int | None:
        """The one freeze depth that it has, whatever its job's; None where there is a choice."""
        if self.distilled:
            return 0
        return blocks - 1 if self.head_only else None

    def depths(self, blocks: int) -> range:
        """The freeze depths that a network of so many blocks allows it."""
        own = self.own_depth(blocks)
        if own is not None:
            return range(own, own + 1)
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
        MethodFacts("linear_probe", "linear probing", "at", head_only=True),
        MethodFacts("bitfit", "tuning of biases and norms (BitFit)", "at", frozen_weights=True),
    )
}

if TYPE_CHECKING:
    Method = str
    MethodOrAuto = str
else:
    Method = Literal[tuple(METHODS)]
    MethodOrAuto = Literal[(*METHODS, "auto")]
"""A name of ``METHODS``: requests are checked against them, and the schema lists them."""
