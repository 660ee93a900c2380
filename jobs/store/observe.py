"""What a person sees of a job: lists, events, series, artifacts, its place in the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from jobs.models import Artifact, Job, JobEvent
from jobs.state import JobState


@dataclass(frozen=True)
class MetricSeries:
    """One series, sorted by step; ``total`` counts the points before downsampling."""

    name: str
    points: tuple[tuple[int, float], ...]
    total: int


def list_jobs(
    session: Session,
    owner: str | None,
    *,
    state: JobState | None = None,
    dataset: str | None = None,
    method: str | None = None,
    tag: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> tuple[Sequence[Job], str | None]:
    """A page of jobs, newest first, and the cursor of the next page (None on the last one).

    Pages do not shift when jobs are added. ``owner=None`` lists everybody's.

    Raises:
        BadCursor: the cursor is not one that this function gave.
    """
    raise NotImplementedError


def events_after(session: Session, job_id: str, number: int = 0, limit: int = 100) -> Sequence[JobEvent]:
    """Events with a number above ``number``, oldest first."""
    raise NotImplementedError


def metrics_of(
    session: Session, job_id: str, names: Sequence[str] | None = None, max_points: int = 500
) -> list[MetricSeries]:
    """Series of a job by name. Downsampling keeps first, last, and the extremes of each bucket."""
    raise NotImplementedError


def artifacts_of(session: Session, job_id: str) -> Sequence[Artifact]:
    """All artifacts of a job, by name."""
    raise NotImplementedError


def artifact(session: Session, job_id: str, name: str) -> Artifact:
    """One artifact.

    Raises:
        ArtifactNotFound: the job has none of this name.
    """
    raise NotImplementedError


def queue_position(session: Session, job: Job) -> int | None:
    """1 for the queued job that goes next by priority and age; None when it is not queued."""
    raise NotImplementedError


def state_counts(session: Session, owner: str | None = None) -> dict[JobState, int]:
    """How many jobs are in each state."""
    raise NotImplementedError
