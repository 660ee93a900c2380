"""What a person sees of a job: lists, events, series, artifacts, how many there are."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    func,
    literal,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.orm import Session, defer

from cartl_core.strict_json import SMALL, loads
from jobs.database.dialect import HasTag, UtcTime
from jobs.errors import ArtifactNotFound, BadCursor
from jobs.state import JobState
from jobs.store.change import is_in, job_of, shared_with
from jobs.tables import OF_ANYBODY, Artifact, Job, JobEvent, Metric

LARGE = (Job.request, Job.spec, Job.report, Job.runtime, Job.estimate)
"""Columns of kilobytes, which a list does not show."""


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
    sweep: str | None = None,
    shared: bool = False,
    cursor: str | None = None,
    limit: int = 50,
) -> tuple[Sequence[Job], str | None]:
    """A page of jobs, newest first, and the cursor of the next page (None on the last one).

    Pages do not shift when jobs are added. ``owner=None`` lists everybody's, ``shared`` those of others
    that ``owner`` may see. The ``LARGE`` columns are not loaded.

    Raises:
        BadCursor: the cursor is not one that this function gave.
    """
    wanted: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (Job.owner_id, None if shared else owner),
            (Job.state, state),
            (Job.dataset, dataset),
            (Job.method, method),
            (Job.sweep_id, sweep),
        )
        if value is not None
    ]
    if shared and owner is not None:
        wanted.append(shared_with(owner))
    if tag is not None:
        wanted.append(HasTag(Job.__table__.c.tags, tag))
    if owner is None:
        wanted.append(literal_column(f"jobs.{OF_ANYBODY}", Boolean))
    if cursor is not None:
        wanted.append(_older_than(*read_cursor(cursor)))
    newest_first = select(Job).where(*wanted).order_by(Job.created_at.desc(), Job.id.desc())
    page = newest_first.options(*(defer(column, raiseload=True) for column in LARGE)).limit(limit + 1)
    rows = session.execute(page).scalars().all()
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], cursor_of(rows[limit - 1].created_at, rows[limit - 1].id)


def _older_than(created_at: datetime, job_id: str) -> ColumnElement[bool]:
    return tuple_(Job.created_at, Job.id) < tuple_(literal(created_at, UtcTime()), literal(job_id))


def cursor_of(created_at: datetime, last: str) -> str:
    """Where a page ended: time and id, opaque to clients."""
    place = json.dumps([created_at.isoformat(), last])
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Time and id of a cursor.

    Raises:
        BadCursor: it is none.
    """
    try:
        place: Any = loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), SMALL)
        created_at, job_id = datetime.fromisoformat(place[0]), place[1]
    except (binascii.Error, ValueError, TypeError, LookupError) as error:
        raise BadCursor from error
    if created_at.tzinfo is None or not isinstance(job_id, str) or "\x00" in job_id:
        raise BadCursor
    return created_at, job_id


def overview(session: Session, job_id: str, owner: str | None = None) -> Job:
    """The job without its request and its report, which are not loaded.

    Raises:
        JobNotFound: there is none that this owner may see.
    """
    return job_of(session, job_id, owner, shared=True, leave=(Job.request, Job.report))


def events_after(session: Session, job_id: str, number: int = 0, limit: int = 100) -> Sequence[JobEvent]:
    """Events with a number above ``number``, oldest first."""
    return (
        session.execute(
            select(JobEvent)
            .where(JobEvent.job_id == job_id, JobEvent.number > number)
            .order_by(JobEvent.number)
            .limit(limit)
        )
        .scalars()
        .all()
    )


def metrics_of(
    session: Session, job_id: str, names: Sequence[str] | None = None, max_points: int = 500
) -> list[MetricSeries]:
    """Series of a job by name. Downsampling keeps first, last, and the extremes of each bucket.

    ``max_points`` is at least 4.
    """
    chosen = select(Metric.name, Metric.step, Metric.value).where(Metric.job_id == job_id)
    if names is not None:
        chosen = chosen.where(Metric.name.in_(names))
    rows = session.execute(chosen.order_by(Metric.name, Metric.step)).all()
    series = []
    for name, group in groupby(rows, key=lambda row: row.name):
        points = [(row.step, row.value) for row in group]
        series.append(MetricSeries(name, thinned(points, max_points), len(points)))
    return series


def thinned(points: Sequence[tuple[int, float]], most: int) -> tuple[tuple[int, float], ...]:
    """At most ``most`` (4 or more) of the points: first, last, and each bucket's lowest and highest."""
    if most < 4:
        raise ValueError(f"max_points={most} must be at least 4")
    if len(points) <= most:
        return tuple(points)
    inner = points[1:-1]
    buckets = (most - 2) // 2
    kept = {points[0], points[-1]}
    for bucket in range(buckets):
        part = inner[bucket * len(inner) // buckets : (bucket + 1) * len(inner) // buckets]
        kept |= {min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])}
    return tuple(sorted(kept))


def artifacts_of(session: Session, job_id: str) -> Sequence[Artifact]:
    """All artifacts of a job, by name."""
    return (
        session.execute(select(Artifact).where(Artifact.job_id == job_id).order_by(Artifact.name))
        .scalars()
        .all()
    )


def artifact(session: Session, job_id: str, name: str) -> Artifact:
    """One artifact.

    Raises:
        ArtifactNotFound: the job has none of this name.
    """
    found = None if "\x00" in name else session.get(Artifact, (job_id, name))
    if found is None:
        raise ArtifactNotFound(f"the job has no artifact {name!r}", name=name)
    return found


def state_counts(session: Session, owner: str | None = None) -> dict[JobState, int]:
    """How many jobs are in each state."""
    counted = select(Job.state, func.count()).group_by(Job.state)
    if owner is not None:
        counted = counted.where(Job.owner_id == owner)
    found = dict(session.execute(counted).all())
    return {state: found.get(state, 0) for state in JobState}


def running_by_worker(session: Session) -> dict[str, int]:
    """How many jobs each worker runs; workers without one are left out."""
    counted = (
        select(Job.worker_id, func.count())
        .where(is_in(Job, JobState.RUNNING), Job.worker_id.is_not(None))
        .group_by(Job.worker_id)
    )
    return {str(worker): count for worker, count in session.execute(counted)}
