"""How a student was made beside plain tuning: what was held fixed, and what it learned from besides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import Field, create_model

from cartl_core.report.values import Value
from cartl_core.spec.data_and_model import Commit
from cartl_core.spec.terms import TERMS, Term
from cartl_core.spec.training import (
    Augmentation,
    ClassWeights,
    DisplacementSpec,
    Sampling,
    TransferSpec,
)

MadeBy = Literal["this_attempt", "earlier_attempt", "another_job", "unknown"]
"""Who computed a stage. ``unknown``: an earlier version did, which did not record it."""


class StageOrigin(Value):
    """Who computed a stage of a run, and how long it took them."""

    made_by: MadeBy
    seconds: float | None = Field(
        ge=0,
        description="Wall time of computing it, over all attempts; null where `made_by` is `unknown`.",
    )
    commit: Commit | None = Field(
        default=None, description="Of the code that finished it; null where it is not known."
    )

    @property
    def reused(self) -> bool:
        """Whether another job made it."""
        return self.made_by in ("another_job", "unknown")


FrozenPart = Literal[
    "trunk_weights",
    "trunk_statistics_of_teacher",
    "trunk_statistics_recalibrated",
    "trunk_statistics_running",
    "tail_weights",
    "tail_affine",
    "tail_statistics",
]
"""``trunk_weights``: of the stem and the frozen blocks. ``trunk_statistics_running`` says that they were not
held fixed; the other two say at which values they were."""


class HeadFirst(Value):
    """For some epochs the head alone was tuned."""

    code: Literal["head_first"] = "head_first"
    epochs: int = Field(ge=1)


class TeacherFeatures(Value):
    """The student's last features were kept near the teacher's on the same images (LwF)."""

    code: Literal["teacher_features"] = "teacher_features"
    weight: float


class TeacherWeights(Value):
    """The tail's weights decayed towards the teacher's (L2-SP)."""

    code: Literal["teacher_weights"] = "teacher_weights"
    decay: float


class DisplacedFeatures(Value):
    """The tail learned from features that were moved by an attack on the trunk."""

    code: Literal["displaced_features"] = "displaced_features"
    displacement: DisplacementSpec


class BalancedClasses(Value):
    """Classes of unequal size weighed more alike than their images do."""

    code: Literal["balanced_classes"] = "balanced_classes"
    class_weights: ClassWeights = Field(description="Of the cross-entropies.")
    sampling: Sampling = Field(description="Of the images of an epoch.")


class CachedViews(Value):
    """Images were altered before the first epoch, and each epoch drew one of so many views of each."""

    code: Literal["cached_views"] = "cached_views"
    views: int = Field(description="Of each image.")
    augmentation: Augmentation


class WeightedTerm(Value):
    """A term was part of the loss, with this weight."""

    code: str
    weight: float


def _class_of(term: Term) -> type[WeightedTerm]:
    """Of a term without a class above: its ``code`` tells it from the others."""
    name = term.code.title().replace("_", "")
    code: Any = (Literal[term.code], term.code)
    return create_model(name, __base__=WeightedTerm, __doc__=WeightedTerm.__doc__, code=code)


_OF_TERMS: dict[str, type[WeightedTerm]] = {
    term.code: _class_of(term)
    for term in TERMS.values()
    if term.code not in ("teacher_features", "teacher_weights")
}

if TYPE_CHECKING:
    LearnedFrom = (
        HeadFirst
        | TeacherFeatures
        | TeacherWeights
        | DisplacedFeatures
        | BalancedClasses
        | CachedViews
        | WeightedTerm
    )
else:
    LearnedFrom = Annotated[
        Union[
            (
                *(
                    HeadFirst,
                    TeacherFeatures,
                    TeacherWeights,
                    DisplacedFeatures,
                    BalancedClasses,
                    CachedViews,
                ),
                *_OF_TERMS.values(),
            )
        ],
        Field(discriminator="code"),
    ]


def frozen_parts(freeze_depth: int, transfer: TransferSpec) -> tuple[FrozenPart, ...]:
    """What was held fixed in a transfer."""
    held: list[FrozenPart] = []
    if freeze_depth:
        held += ["trunk_weights", _TRUNK_STATISTICS[transfer.trunk_statistics]]
    if transfer.tail_weights == "frozen":
        held.append("tail_weights")
    if transfer.tail_affine == "frozen":
        held.append("tail_affine")
    if transfer.tail_statistics == "teacher":
        held.append("tail_statistics")
    return tuple(held)


_TRUNK_STATISTICS: dict[str, FrozenPart] = {
    "teacher": "trunk_statistics_of_teacher",
    "recalibrated": "trunk_statistics_recalibrated",
    "running": "trunk_statistics_running",
}


def learned_from(transfer: TransferSpec) -> tuple[LearnedFrom, ...]:
    """What the tail learned from beside clean cross-entropy; empty where it was tuned plainly."""
    found: list[LearnedFrom] = []
    if transfer.lwf_head_epochs:
        found.append(HeadFirst(epochs=transfer.lwf_head_epochs))
    for name, term in TERMS.items():
        if (weight := getattr(transfer, name)) is not None:
            found.append(_weighted(term, weight))
    if transfer.displacement is not None:
        found.append(DisplacedFeatures(displacement=transfer.displacement))
    if (transfer.class_weights, transfer.sampling) != ("none", "uniform"):
        found.append(BalancedClasses(class_weights=transfer.class_weights, sampling=transfer.sampling))
    if transfer.cached_views is not None:
        found.append(CachedViews(views=transfer.cached_views, augmentation=transfer.augmentation))
    return tuple(found)


def _weighted(term: Term, weight: float) -> LearnedFrom:
    match term.code:
        case "teacher_features":
            return TeacherFeatures(weight=weight)
        case "teacher_weights":
            return TeacherWeights(decay=weight)
        case _:
            return _OF_TERMS[term.code](code=term.code, weight=weight)
