"""What certificates are asked for: the audit of a student's layers, and randomised smoothing. Torch-free."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field, field_validator

from cartl_core.spec.base import ARRAY, refusal
from cartl_core.spec.measures.attack import LARGEST_RADIUS
from cartl_core.spec.measures.diagnostics import DiagnosticSpec

AUDITED_IMAGES = 200
SMOOTHED_IMAGES = 200
RADII = (0.05, 0.1, 0.25, 0.5, 1.0)
"""L2 radii in pixel units; peers quote 0.25 and 0.5 for images of 32 x 32 x 3."""

Radius = Annotated[float, Field(gt=0.0, le=LARGEST_RADIUS["l2"])]


class AuditSpec(DiagnosticSpec):
    """The Lipschitz constants of tail and network, and how far an attack moves the trunk's features."""

    images: int | None = Field(
        default=AUDITED_IMAGES,
        ge=1,
        le=10_000_000,
        description="Test images looked at: the first by lot, stratified; null looks at all.",
    )
    eps: float = Field(
        gt=0.0, le=LARGEST_RADIUS["linf"], description="Linf radius of the attack that moves the features."
    )
    steps: int = Field(default=20, ge=1, le=1000, description="Steps of that attack, PGD on ce.")
    radii: Annotated[tuple[Radius, ...], ARRAY, Field(min_length=1, max_length=64)] = Field(
        default=RADII, description="L2 radii of the certified accuracy, rising, in pixel units."
    )

    @field_validator("radii")
    @classmethod
    def _rising(cls, radii: tuple[float, ...]) -> tuple[float, ...]:
        if any(second <= first for first, second in pairwise(radii)):
            raise refusal("radii must rise", "each above the one before")
        return radii


class SmoothingSpec(DiagnosticSpec):
    """Randomised smoothing: n noisy copies of each image pass the network, so it is made on request only."""

    images: int | None = Field(
        default=SMOOTHED_IMAGES,
        ge=1,
        le=10_000_000,
        description="Test images certified: the first by lot, stratified; null certifies all.",
    )
    sigma: float = Field(gt=0.0, le=4.0, description="Deviation of the Gaussian noise, pixel units.")
    n0: int = Field(default=100, ge=1, le=100_000, description="Noisy copies behind the guess of the class.")
    n: int = Field(default=1000, ge=10, le=10_000_000, description="Noisy copies behind each certificate.")
    alpha: float = Field(default=0.001, gt=0.0, lt=0.5, description="How often a certificate may be wrong.")
