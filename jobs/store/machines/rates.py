"""How fast stages are: what workers have measured, kept short, and given to estimates and to runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from cartl_core.events import StageMeasured
from cartl_core.planning.estimates.rates import Machine, MeasuredRate, Measurement, summarise
from jobs.database.dialect import Now, insert_if_new
from jobs.state import JobState
from jobs.tables import Job, JobPace, StageRate

KEPT_OF_EACH = 16
"""Rows of one machine, kind of work and size of network: the newest."""
KEPT_IN_ALL = 4096
NAME_LENGTH = 200
LEAST_SHARE = 0.1
"""Of a time left that was told, what stays of it however long nothing new is told."""


@dataclass(frozen=True)
class Pace:
    """How a job goes: ``seconds_left`` from now on, and images through the stage at work."""

    seconds_left: float | None = None
    images_per_second: float | None = None


def keep(session: Session, machine: Machine, event: StageMeasured) -> None:
    """Add a row and drop those that are too many."""
    of_machine = machine._replace(device_name=machine.device_name[:NAME_LENGTH])._asdict()
    key = {**of_machine, "kind": event.kind, "size_class": event.size_class}
    session.execute(
        insert(StageRate).values(**key, macs=event.macs, batches=event.batches, seconds=event.seconds)
    )
    alike = [getattr(StageRate, name) == value for name, value in key.items()]
    newest = select(StageRate.id).order_by(StageRate.id.desc())
    for kept, count in ((newest.where(*alike), KEPT_OF_EACH), (newest, KEPT_IN_ALL)):
        oldest = kept.offset(count).limit(KEPT_OF_EACH)
        session.execute(
            delete(StageRate).where(StageRate.id.in_(oldest)).execution_options(synchronize_session=False)
        )


def measured_rates(session: Session) -> tuple[MeasuredRate, ...]:
    """What is known of every machine, the one that measured last first."""
    rows = session.execute(select(StageRate).order_by(StageRate.id.desc()).limit(KEPT_IN_ALL)).scalars()
    return summarise(
        Measurement(
            Machine(row.device, row.device_name, row.threads, row.precision),
            row.kind,
            row.size_class,
            row.macs,
            row.batches,
            row.seconds,
        )
        for row in rows
    )


def newest_rate(session: Session) -> int:
    """Number of the newest row, 0 where there is none: as long as it stays, so do the rates."""
    return session.execute(select(func.coalesce(func.max(StageRate.id), 0))).scalar_one()


def note_pace(session: Session, job_id: str, images_per_second: float | None) -> None:
    """What a running job does now."""
    changed = session.execute(
        update(JobPace)
        .where(JobPace.job_id == job_id)
        .values(images_per_second=images_per_second, at=Now())
        .returning(JobPace.job_id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if changed is None:
        insert_if_new(session, JobPace, job_id=job_id, images_per_second=images_per_second)


def pace_of(session: Session, job: Job) -> Pace:
    """How a running job goes at this moment; of one that does not run nothing is told."""
    if job.state != JobState.RUNNING:
        return Pace()
    row = session.execute(
        select(JobPace.images_per_second, JobPace.at).where(JobPace.job_id == job.id)
    ).one_or_none()
    if row is None:
        told_at, images = job.started_at, None
    else:
        told_at, images = row.at, row.images_per_second
    if job.seconds_left is None or told_at is None:
        return Pace(job.seconds_left, images)
    return Pace(aged(job.seconds_left, (datetime.now(UTC) - told_at).total_seconds()), images)


def aged(told: float, seconds: float) -> float:
    """The time left that was ``told`` so many seconds ago: less by these, and not nothing before the end."""
    return max(told - max(seconds, 0.0), LEAST_SHARE * told)
