"""Responses about data sets and teachers, whoever they come from: the catalog, people, jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, WithJsonSchema
from sqlalchemy.orm import Session

from api.schemas import STANDS_FOR, View
from cartl_core.spec.datasets import DatasetFacts
from cartl_core.spec.resources.common import Origin
from cartl_core.spec.resources.dataset import (
    DatasetDefaults,
    DatasetReport,
    DatasetState,
    FoundDataset,
    Sizes,
    SplitName,
)
from cartl_core.spec.resources.teacher import (
    BlockSize,
    FoundTeacher,
    Normalisation,
    TeacherState,
    TrainedAt,
    Verification,
)
from jobs.store.tasks import fractions_of
from jobs.tables import Dataset, Resource, Stage, Teacher

ArchitectureJson = Annotated[dict[str, Any], WithJsonSchema({STANDS_FOR: ["Architecture"]})]


Fraction = Annotated[
    float | None, Field(description="Done of its check, 0 to 1; null while it is not being checked.")
]
CHECKING = "checking"


def fractions(session: Session, rows: Sequence[Resource]) -> dict[str, float]:
    """How far the checks of these data sets or teachers are, by id; one that is not checked is left out."""
    return fractions_of(session, [row.id for row in rows if row.state == CHECKING])


def _of_row(row: Resource, fraction: float) -> dict[str, Any]:
    """What a row of either kind gives directly; ``fraction`` is that of its check, where it has one."""
    return {
        "id": row.id,
        "name": row.name,
        "origin": row.origin,
        "state": row.state,
        "reason": row.reason,
        "message": row.message,
        "fraction": fraction if row.state == CHECKING else None,
        "sha256": row.sha256,
        "licence": row.asked.get("licence"),
        "expires_at": row.expires_at,
        "created_at": row.created_at,
    }


class DatasetView(View):
    """A data set. What is not known of it, or not yet, is null."""

    id: str = Field(description="Of the catalog's: the name.")
    name: str
    origin: Origin
    state: DatasetState
    reason: str | None = Field(description="Stable code of why it was rejected, e.g. `too_few_images`.")
    message: str | None = Field(description="What to do about it, for people.")
    fraction: Fraction
    sha256: str | None = Field(description="Of the content that was sent.")
    fingerprint: str | None = Field(description="Of pixels, labels, splits and class names.")
    channels: int | None
    classes: tuple[str, ...] | None
    counts: dict[SplitName, tuple[int, ...]] | None = Field(description="Images of each class, by split.")
    sizes: Sizes | None
    mean: tuple[float, ...] | None = Field(description="Of the training images on [0, 1], by channel.")
    std: tuple[float, ...] | None
    defaults: DatasetDefaults | None = Field(description="What a job takes over where it says nothing.")
    report: DatasetReport | None = Field(description="What was found while every file was looked at.")
    licence: str | None
    expires_at: datetime | None = Field(description="While it is awaited: until then its place is kept.")
    created_at: datetime | None

    @classmethod
    def of(cls, row: Dataset, fraction: float = 0.0) -> Self:
        """A row as it is shown, with how far its check is."""
        found = None if row.found is None else FoundDataset.model_validate(row.found, strict=False)
        facts = {name: getattr(found, name, None) for name in FoundDataset.model_fields.keys() & _shown(cls)}
        return cls(**_of_row(row, fraction), **facts)


class CatalogDatasetView(DatasetView):
    """A data set of the catalog. Radii are in pixel units on [0, 1]."""

    origin: Literal["catalog"]
    title: str
    image_size: int
    train_images: int
    test_images: int
    train_eps: float
    eval_eps: float
    eval_step: float
    default_source: str = Field(description="Where the teacher learns when `source` is left out.")
    fetch: str = Field(description="The command that gets the files.")

    @classmethod
    def of_facts(cls, facts: DatasetFacts) -> Self:
        """A row of the catalog as it is shown."""
        side = (facts.image_size, facts.image_size)
        unknown = dict.fromkeys(
            (
                *("reason", "message", "fraction", "sha256", "fingerprint", "counts", "report", "licence"),
                "expires_at",
            )
        )
        own = {name: getattr(facts, name) for name in cls.model_fields if hasattr(facts, name)}
        return cls(
            **unknown,
            **own,
            id=facts.name,
            origin="catalog",
            state="ready",
            created_at=None,
            sizes=Sizes(min=side, median=side, max=side),
            defaults=DatasetDefaults(
                image_size=facts.image_size,
                train_eps=facts.train_eps,
                eval_eps=facts.eval_eps,
                eval_step=facts.eval_step,
                augmentation=facts.augmentation,
            ),
        )


class TeacherView(View):
    """A robust network to learn from. What is not known of it, or not yet, is null."""

    id: str = Field(description="Of one that a job trains: its digest.")
    name: str | None
    origin: Literal["trained", "upload"]
    state: TeacherState | Literal["computing", "finished"] = Field(
        description="`computing` and `finished` of those that jobs train."
    )
    reason: str | None = Field(description="Stable code of why it was rejected, e.g. `layout_unknown`.")
    message: str | None = Field(description="What to do about it, for people.")
    fraction: Fraction
    sha256: str | None = Field(description="Of the file that was sent.")
    digest: str | None = Field(description="Of file, layout, architecture and normalisation.")
    layout: str | None
    architecture: ArchitectureJson | None
    normalisation: Literal["none"] | Normalisation | None
    trained_at: TrainedAt | None
    blocks: tuple[BlockSize, ...] | None
    methods: tuple[str, ...] | None = Field(description="That work from it.")
    refused: dict[str, str] | None = Field(description="Other methods: why they do not.")
    verification: Verification | None
    licence: str | None
    expires_at: datetime | None = Field(description="While it is awaited: until then its place is kept.")
    created_at: datetime
    label: str | None = Field(default=None, description="Of one that a job trains.")
    job: str | None = Field(default=None, description="The job that trains or trained it.")
    finished_at: datetime | None = None

    @classmethod
    def of(cls, row: Teacher, fraction: float = 0.0) -> Self:
        """A row as it is shown, with how far its check is."""
        found = None if row.found is None else FoundTeacher.model_validate(row.found, strict=False)
        facts = {name: getattr(found, name, None) for name in FoundTeacher.model_fields.keys() & _shown(cls)}
        facts["architecture"] = None if row.found is None else row.found.get("architecture")
        told = row.asked.get("trained_at")
        return cls(
            **_of_row(row, fraction),
            **facts,
            trained_at=None if told is None else TrainedAt.model_validate(told, strict=False),
        )

    @classmethod
    def of_stage(cls, stage: Stage) -> Self:
        """A teacher of jobs as it is shown."""
        return cls(
            **dict.fromkeys(
                name
                for name, field in cls.model_fields.items()
                if field.is_required() and name not in _OF_STAGES
            ),
            id=stage.digest,
            origin="trained",
            state=stage.state,
            digest=stage.digest,
            label=stage.label,
            job=stage.job_id,
            created_at=stage.created_at,
            finished_at=stage.finished_at,
        )


_OF_STAGES = ("id", "origin", "state", "digest", "created_at")


def _shown(view: type[View]) -> set[str]:
    return set(view.model_fields)
