"""What the checks against self-deception are made with. Torch-free."""

from __future__ import annotations

from pydantic import Field, field_validator

from cartl_core.attack_spec import AttackSpec
from cartl_core.probe_spec import ProbeSpec


class ChecksSpec(ProbeSpec):
    """How the checks are made; some need 200 images or more."""

    attack: AttackSpec = Field(
        description="The checks' own attack, pgd on ce: others are made of it, with its norm and radius."
    )
    queries: int = Field(default=250, ge=1, le=10_000, description="Of the black box, Square.")

    @field_validator("attack")
    @classmethod
    def _on_the_cross_entropy(cls, attack: AttackSpec) -> AttackSpec:
        if (attack.name, attack.loss) != ("pgd", "ce"):
            raise ValueError("the attack of the checks is pgd, loss ce")
        return attack
