"""How a student was made beside plain tuning: what was held fixed, and what it learned from besides."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cartl_core.report.values import Value
from cartl_core.spec.training import DisplacementSpec, TransferSpec

MadeBy = Literal["this_attempt", "earlier_attempt", "another_job", "unknown"]
"""Who computed a stage. ``unknown``: an earlier version did, which did not record it."""


class StageOrigin(Value):
    """Who computed a stage of a run, and how long it took them."""

    made_by: MadeBy
    seconds: float | None = Field(
        ge=0,
        description="Wall time of computing it, over all attempts; null where `made_by` is `unknown`.",
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


LearnedFrom = Annotated[
    HeadFirst | TeacherFeatures | TeacherWeights | DisplacedFeatures, Field(discriminator="code")
]


def frozen_parts(freeze_depth: int, transfer: TransferSpec) -> tuple[FrozenPart, ...]:
    """What was held fixed in a transfer."""
    held: list[FrozenPart] = []
    if freeze_depth:
        held += ["trunk_weights", _TRUNK_STATISTICS[transfer.trunk_statistics]]
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
    if transfer.lwf_weight is not None:
        found.append(TeacherFeatures(weight=transfer.lwf_weight))
    if transfer.anchor_weight is not None:
        found.append(TeacherWeights(decay=transfer.anchor_weight))
    if transfer.displacement is not None:
        found.append(DisplacedFeatures(displacement=transfer.displacement))
    return tuple(found)
