"""What every diagnostic of a specification has: how many of the test images it looks at.

A diagnostic is a measurement of one network that is no single attack: a curve over radii, checks, an audit.
Its spec derives from ``DiagnosticSpec`` and is a field of ``EvaluateSpec``, under the diagnostic's name.
"""

from __future__ import annotations

from pydantic import Field, field_validator

from cartl_core.spec.base import SpecModel, refusal
from cartl_core.spec.measures.attack import LARGEST_RADIUS, AttackSpec, Norm


class DiagnosticSpec(SpecModel):
    """One probe; subclasses add what it is measured with."""

    images: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="Test images looked at: the first by lot, stratified; null looks at all.",
    )


class ChecksSpec(DiagnosticSpec):
    """How the checks are made; some need 200 images or more."""

    attack: AttackSpec = Field(
        description="The checks' own attack, pgd on ce: others are made of it, with its norm and radius."
    )
    queries: int = Field(default=250, ge=1, le=10_000, description="Of the black box, Square.")

    @field_validator("attack")
    @classmethod
    def _on_the_cross_entropy(cls, attack: AttackSpec) -> AttackSpec:
        if (attack.name, attack.loss) != ("pgd", "ce"):
            raise refusal("the attack of the checks is another", "pgd, loss ce")
        return attack


PACE = 2.5
"""All steps together could walk this many radii (Madry et al. 2018, arXiv 1706.06083, section 5)."""


class GallerySpec(DiagnosticSpec):
    """Pictures of what fools the network most: projected gradient descent that goes on to its last step."""

    norm: Norm = "linf"
    eps: float = Field(gt=0.0, le=LARGEST_RADIUS["l1"], description="Radius in pixel units, in the norm.")
    steps: int = Field(default=40, ge=1, le=1000)
    shown: int = Field(default=8, ge=1, le=32, description="Images kept, of as many classes as there are.")

    @property
    def step(self) -> float:
        """Step size in pixel units, in the norm."""
        return PACE * self.eps / self.steps
