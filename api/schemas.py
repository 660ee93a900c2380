"""Responses: one pydantic model for each kind of response, and how a row becomes one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from api.data_view import DataView, data_of
from cartl_core.spec.arm import AUTO, FreezeDepth
from jobs.settings import Settings
from jobs.state import JobState
from jobs.store import MetricSeries, Pace
from jobs.tables import Artifact, Job, JobEvent

T = TypeVar("T")

# In a JSON schema: the names of the schemas that belong here (see api.openapi).
STANDS_FOR = "x-stands-for"

# Kept as it was stored: an old job stays readable when the model of a spec grows.
SpecJson = Annotated[dict[str, Any], WithJsonSchema({STANDS_FOR: ["JobSpec", "EvaluateJobSpec"]})]
RuntimeJson = Annotated[dict[str, Any], WithJsonSchema({STANDS_FOR: ["Runtime"]})]


NOT_RUNNING = Pace()


class View(BaseModel):
    """A frozen answer."""

    model_config = ConfigDict(frozen=True)


class Page(View, Generic[T]):
    """A page of a list; ``next_cursor`` asks for the next one and is null on the last."""

    data: list[T]
    next_cursor: str | None = None


class JobLinks(View):
    """Where the parts of a job are."""

    self: str
    robustness: str
    report: str
    events: str
    metrics: str
    artifacts: str
    logs: str
    cancel: str
    retry: str

    @classmethod
    def of(cls, job_id: str) -> Self:
        """Paths of one job's parts."""
        base = f"/jobs/{job_id}"
        parts = {name: f"{base}/{name}" for name in cls.model_fields if name != "self"}
        return cls(self=base, **parts)


class SecondsRange(BaseModel):
    """Where the wall time of a run lies."""

    low: float = Field(ge=0, description="One run in ten takes less.")
    likely: float = Field(ge=0)
    high: float = Field(ge=0, description="One run in ten takes more.")


class EstimateView(BaseModel):
    """What a job is expected to cost, from its counted passes and the rates that stages have shown."""

    model_config = ConfigDict(extra="allow")

    seconds: float = Field(ge=0, description="Likely wall time of the whole run: `likely` of the range.")
    seconds_range: SecondsRange | None = Field(default=None, description="Null in jobs of earlier versions.")
    basis: str | None = Field(
        default=None, description="`measured on 12 stages`, `measured on other networks`, or `first guess`."
    )
    measured_stages: int | None = Field(default=None, ge=0, description="How many the time stands on.")
    assumes: str | None = Field(default=None, description="What the time takes for granted, for people.")
    disk_bytes: int = Field(ge=0)


class JobBrief(View):
    """A job in a list."""

    id: str
    name: str | None
    tags: list[str]
    sweep: str | None = Field(description="The sweep that it was submitted with.")
    state: JobState
    reason: str | None = Field(description="Stable code of why it ended so, e.g. `dataset_missing`.")
    dataset: str
    method: str = Field(
        description="`given` where a network that exists is measured, `auto` where the run chooses it."
    )
    freeze_depth: FreezeDepth = Field(description="`auto` where the run chooses it.")
    priority: int = Field(description="Among the jobs of its owner that wait, higher goes first.")
    stage: str | None
    fraction: float | None = Field(description="Done, of the whole run, 0 to 1.")
    seconds_left: float | None = Field(
        description="From now on; before the first stage, as estimated. Null unless it runs."
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: JobLinks

    @classmethod
    def columns_of(cls, job: Job, pace: Pace) -> dict[str, Any]:
        """The values that a row gives directly, and how it goes."""
        return {
            "id": job.id,
            "name": job.name,
            "tags": job.tags,
            "sweep": job.sweep_id,
            "state": job.state,
            "reason": job.reason,
            "dataset": job.dataset,
            "method": job.method,
            "freeze_depth": AUTO if job.freeze_depth is None else job.freeze_depth,
            "priority": job.priority,
            "stage": job.stage,
            "fraction": job.fraction,
            "seconds_left": pace.seconds_left,
            "created_at": job.created_at,
            "started_at": job.started_at,
            "finished_at": job.finished_at,
            "links": JobLinks.of(job.id),
        }

    @classmethod
    def of(cls, job: Job, pace: Pace | None = None) -> Self:
        """A row as a list shows it."""
        return cls(**cls.columns_of(job, pace or NOT_RUNNING))


class JobView(JobBrief):
    """A job: where it is, what it will run, what it will cost."""

    message: str | None = Field(description="What went wrong, for people.")
    stage_label: str | None
    images_per_second: float | None = Field(description="Through the stage at work, lately.")
    estimated_finish: datetime | None
    queue_position: int | None = Field(
        description="1 goes next; 101 is 101 or later; null when it is not queued."
    )
    waiting_for: str | None = Field(description="Digest of a teacher that another job is training.")
    cancel_requested: bool
    attempts_used: int
    max_attempts: int
    worker: str | None
    heartbeat_at: datetime | None
    event_count: int
    spec: SpecJson
    spec_digest: str
    runtime: RuntimeJson | None
    estimate: EstimateView
    data: list[DataView] | None = Field(
        description="What it needs, while it is queued; null from then on, as the events tell it."
    )

    @classmethod
    def whole(
        cls, job: Job, queue_position: int | None, settings: Settings, pace: Pace = NOT_RUNNING
    ) -> Self:
        """A row with all that a person may know of it."""
        queued = job.state == JobState.QUEUED
        return cls(
            **cls.columns_of(job, pace),
            message=job.message,
            stage_label=job.stage_label,
            images_per_second=pace.images_per_second,
            estimated_finish=_estimated_finish(job, pace),
            queue_position=queue_position,
            waiting_for=job.waiting_for,
            cancel_requested=job.cancel_requested_at is not None,
            attempts_used=job.attempts_used,
            max_attempts=job.max_attempts,
            worker=job.worker_id,
            heartbeat_at=job.heartbeat_at,
            event_count=job.event_count,
            spec=job.spec,
            spec_digest=job.spec_digest,
            runtime=job.runtime,
            estimate=EstimateView(**job.estimate),
            data=data_of(job.spec, settings) if queued else None,
        )


def _estimated_finish(job: Job, pace: Pace) -> datetime | None:
    """Now, plus what is left."""
    if job.state != JobState.RUNNING or pace.seconds_left is None:
        return None
    return datetime.now(UTC) + timedelta(seconds=pace.seconds_left)


class DryRun(View):
    """What a request would become; nothing was stored."""

    spec: SpecJson
    spec_digest: str
    estimate: EstimateView
    data: list[DataView] = Field(description="What it needs.")


class EventView(View):
    """One thing that happened to a job. Numbers run 1, 2, 3 ... without gaps."""

    number: int = Field(ge=1)
    type: str
    attempt: int
    at: datetime
    body: dict[str, Any]

    @classmethod
    def of(cls, event: JobEvent) -> Self:
        """A row as it is shown."""
        return cls(number=event.number, type=event.type, attempt=event.attempt, at=event.at, body=event.body)


class EventPage(View):
    """Events after the one asked for. Ask again with `after=next_after` until `finished` is true."""

    data: list[EventView]
    next_after: int = Field(description="Number of the newest event known to this answer.")
    finished: bool = Field(description="True when the job has ended and no event is left.")


class SeriesView(View):
    """One series, sorted by step; downsampled pages keep first, last and extremes."""

    name: str = Field(description="`LABEL/METRIC`, e.g. `teacher (fdm)/robust_accuracy`.")
    points: list[tuple[int, float]] = Field(description="[step, value] pairs.")
    total: int = Field(description="Points before downsampling.")

    @classmethod
    def of(cls, series: MetricSeries) -> Self:
        """A series as it is shown."""
        return cls(name=series.name, points=list(series.points), total=series.total)


class Metrics(View):
    """The series of a job."""

    data: list[SeriesView]


class ArtifactView(View):
    """A file of a job."""

    name: str
    media_type: str
    size: int = Field(ge=0, description="Bytes.")
    sha256: str
    created_at: datetime
    link: str

    @classmethod
    def of(cls, artifact: Artifact) -> Self:
        """A row as it is shown."""
        return cls(
            name=artifact.name,
            media_type=artifact.media_type,
            size=artifact.size,
            sha256=artifact.sha256,
            created_at=artifact.created_at,
            link=f"/jobs/{artifact.job_id}/artifacts/{artifact.name}",
        )


class Artifacts(View):
    """All files of a job, by name."""

    data: list[ArtifactView]
