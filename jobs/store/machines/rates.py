"""How fast stages are: what workers have measured, kept short, and given to estimates and to runs."""

from __future__ import annotations

from collections.abc import Iterable
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
OVERDUE_SHARE = 0.25
"""Of the time since something was told: what is expected to be left, where that is more than was told."""


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
    return paces_of(session, [job]).get(job.id, Pace())


def paces_of(session: Session, jobs: Iterable[Job]) -> dict[str, Pace]:
    """``pace_of`` of several jobs by one query; those that do not run are left out."""
    running = {job.id: job for job in jobs if job.state == JobState.RUNNING}
    if not running:
        return {}
    columns = (JobPace.job_id, JobPace.images_per_second, JobPace.at)
    rows = session.execute(select(*columns).where(JobPace.job_id.in_(running))).all()
    told = {row.job_id: (row.at, row.images_per_second) for row in rows}
    now = datetime.now(UTC)
    return {
        job_id: _pace(job, *told.get(job_id, (job.started_at, None)), now) for job_id, job in running.items()
    }


def _pace(job: Job, told_at: datetime | None, images: float | None, now: datetime) -> Pace:
    if job.seconds_left is None or told_at is None:
        return Pace(job.seconds_left, images)
    return Pace(aged(job.seconds_left, (now - told_at).total_seconds()), images)


def aged(told: float, seconds: float) -> float:
    """The time left that was ``told`` so many seconds ago, where nothing new is told.

    It is less by these. What takes longer than was told is expected to take a quarter as long again.
    """
    waited = max(seconds, 0.0)
    return max(told - waited, min(OVERDUE_SHARE * waited, told))
