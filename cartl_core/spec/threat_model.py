"""Whom attacks stand for: what an adversary may change, knows and wants, derived from the attacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from cartl_core.spec.base import SpecModel
from cartl_core.spec.measures.attack import ATTACKS, AttackSpec, Norm


class ThreatModel(SpecModel):
    """An adversary who changes each image by itself within a ball of one norm."""

    norm: Norm = Field(description="What the change of an image is measured in.")
    radii: tuple[float, ...] = Field(
        strict=False, description="Largest changes that were tried, in pixel units on [0, 1], ascending."
    )
    knowledge: Literal["white_box", "scores"] = Field(
        description="`white_box`: architecture, weights and gradients; `scores`: outputs of queries alone."
    )
    goal: Literal["any_wrong_class"] = Field(
        default="any_wrong_class",
        description="An image counts as broken by any wrong answer, also where an attack aims at one class.",
    )
    enters: Literal["network_input"] = Field(
        default="network_input",
        description="Where the change enters: the pixels that the network gets, after decoding and resizing, "
        "in test images alone.",
    )
    attacks: tuple[str, ...] = Field(strict=False, description="Labels of the attacks that stand for it.")


def threat_models(attacks: Sequence[AttackSpec]) -> tuple[ThreatModel, ...]:
    """One adversary a norm, in the order of the attacks; the strongest of its attacks says what it knows."""
    found = []
    for norm in dict.fromkeys(attack.norm for attack in attacks):
        alike = [attack for attack in attacks if attack.norm == norm]
        sees = any(ATTACKS[attack.name].gradients for attack in alike)
        found.append(
            ThreatModel(
                norm=norm,
                radii=tuple(sorted({attack.eps for attack in alike})),
                knowledge="white_box" if sees else "scores",
                attacks=tuple(attack.label for attack in alike),
            )
        )
    return tuple(found)
