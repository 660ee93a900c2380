"""What a network must reach to be accepted, said before it is made or measured."""

from __future__ import annotations

from pydantic import Field, model_validator

from cartl_core.spec.base import SpecModel, refusal
from cartl_core.spec.measures.attack import Norm
from cartl_core.spec.measures.radius import Radius

DEFAULT_CONFIDENCE = 0.95


class Criterion(SpecModel):
    """A bound that a figure must reach, and how sure one must be that it does."""

    confidence: float = Field(
        default=DEFAULT_CONFIDENCE,
        gt=0.5,
        lt=1.0,
        description="One-sided: of passing a network that is below the bound the risk is at most 1 - this, "
        "of failing one that reaches it likewise.",
    )


class CleanAccuracyCriterion(Criterion):
    """Of the accuracy without an attack."""

    at_least: float = Field(ge=0.0, le=1.0, description="A fraction of the images.")


class RobustAccuracyCriterion(Criterion):
    """Of the share of images that are right and that no attack within a radius breaks."""

    at: Radius = Field(
        description="Radius in pixel units, a number or a quotient as `8/255`; an attack of `evaluate` in "
        "this norm must have it."
    )
    norm: Norm = "linf"
    at_least: float = Field(ge=0.0, le=1.0, description="A fraction of the images.")


class KeptAgainstPlainCriterion(Criterion):
    """Of the robust accuracy of the job's own student minus that of plain transfer, on the same images."""

    at_least: float = Field(
        ge=-1.0,
        le=1.0,
        description="Of the difference, as a fraction of the images; -0.02 allows two points less.",
    )


class EvaluationAcceptSpec(SpecModel):
    """Criteria of a network that exists already; all must be passed."""

    robust_accuracy: RobustAccuracyCriterion | None = None
    clean_accuracy: CleanAccuracyCriterion | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> EvaluationAcceptSpec:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise refusal("there is no criterion", f"one of {', '.join(type(self).model_fields)}, or more")
        return self


class AcceptSpec(EvaluationAcceptSpec):
    """Criteria of a transfer's own student; all must be passed."""

    kept_against_plain: KeptAgainstPlainCriterion | None = None
