"""How long an owner's runs have held devices: by the claims that have ended, and those that run."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, insert, literal_column, select
from sqlalchemy.orm import Session, aliased

from jobs.database.dialect import FromNow, Now, SecondsBetween
from jobs.tables import DeviceUse, Job, Task

PART = "evaluate_shard"
"""The kind of task that holds a device."""
DAY = 86_400.0
_COLUMNS = ["work_id", "token", "owner_id", "seconds", "ended_at"]


def note_use(session: Session, job_id: str, *, lost: bool) -> None:
    """A claim of the job has just ended; a lost one counts until it was last heard of."""
    end = Job.heartbeat_at if lost else Now()
    seconds = SecondsBetween(Job.claimed_at, end)
    ended = select(Job.id, Job.token, Job.owner_id, seconds, Now()).where(
        Job.id == job_id, Job.claimed_at.is_not(None)
    )
    session.execute(insert(DeviceUse).from_select(_COLUMNS, ended))


def note_uses_of_parts(session: Session, which: ColumnElement[bool]) -> None:
    """The claims of these parts of evaluations are about to end."""
    ended = select(Task.id, Task.token, Task.owner_id, SecondsBetween(Task.started_at, Now()), Now()).where(
        which, _runs(Task)
    )
    session.execute(insert(DeviceUse).from_select(_COLUMNS, ended))


def used_seconds(owner: Any, window_days: float) -> ColumnElement[float]:
    """Of an owner, within the last days; ``owner`` is a name, or a column of the query around it."""
    use, job, part = aliased(DeviceUse), aliased(Job), aliased(Task)
    ended = select(_sum(use.seconds)).where(use.owner_id == owner, use.ended_at > FromNow(-window_days * DAY))
    running = select(_sum(SecondsBetween(job.claimed_at, Now()))).where(
        job.owner_id == owner, job.state == literal_column("'running'")
    )
    parts = select(_sum(SecondsBetween(part.started_at, Now()))).where(part.owner_id == owner, _runs(part))
    return ended.scalar_subquery() + running.scalar_subquery() + parts.scalar_subquery()


def forget_uses(session: Session, window_days: float) -> int:
    """Delete the rows that no window holds any more; how many."""
    old = delete(DeviceUse).where(DeviceUse.ended_at <= FromNow(-window_days * DAY))
    gone = session.execute(old.returning(DeviceUse.work_id).execution_options(synchronize_session=False))
    return len(gone.all())


def _runs(task: type[Task]) -> ColumnElement[bool]:
    return and_(task.kind == PART, task.state == literal_column("'running'"))


def _sum(seconds: Any) -> ColumnElement[float]:
    return func.coalesce(func.sum(seconds), 0.0)
