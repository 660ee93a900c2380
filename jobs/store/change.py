"""Change and event in one statement's reach: every other module of the store writes through here.

``append`` updates a job's row under a guard and adds the event that says so; the event's number is
counted in that same row, so numbers have no gaps and their order is the order of commits.
``move`` is ``append`` along an arrow of the state table, and tells webhooks.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic_core import from_json
from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    exists,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, defer

from jobs.database.dialect import Now
from jobs.errors import JobNotFound
from jobs.state import JobState, Move, reached, sources
from jobs.store.quotas.device_time import note_use
from jobs.tables import Job, JobEvent, JobShare
from jobs.webhooks.outbox import announce

T = TypeVar("T")

LOST = (Move.REQUEUE_AFTER_CRASH, Move.GIVE_UP)
# What leaves the row when its state changes. A claim sets these, everything else clears them.
_NOBODY_RUNS_IT: dict[str, Any] = {
    "worker_id": None,
    "supervisor_pid": None,
    "lease_expires_at": None,
    "seconds_left": None,
}
_SETTLED: dict[JobState, dict[str, Any]] = {
    JobState.QUEUED: {**_NOBODY_RUNS_IT, "cancel_requested_at": None, "finished_at": None},
    JobState.SUCCEEDED: {**_NOBODY_RUNS_IT, "finished_at": Now(), "reason": None, "message": None},
    JobState.FAILED: {**_NOBODY_RUNS_IT, "finished_at": Now()},
    JobState.CANCELLED: {**_NOBODY_RUNS_IT, "finished_at": Now(), "waiting_for": None},
    JobState.RUNNING: {},
}


def append(
    session: Session,
    guard: ColumnElement[bool],
    event: str,
    body: dict[str, Any] | None = None,
    *,
    attempt_is_over: bool = False,
    **columns: Any,
) -> JobEvent | None:
    """Update the one job that ``guard`` picks and append an event; None when it picks none."""
    changed = session.execute(
        update(Job)
        .where(guard)
        .values(event_count=Job.event_count + 1, **columns)
        .returning(Job.id, Job.event_count, Job.attempts_used)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if changed is None:
        return None
    row = {
        "job_id": changed.id,
        "number": changed.event_count,
        "type": event,
        "attempt": changed.attempts_used + (0 if attempt_is_over else 1),
        "body": storable(body or {}),
    }
    return session.execute(insert(JobEvent).values(**row).returning(JobEvent)).scalar_one()


def move(
    session: Session,
    guard: ColumnElement[bool],
    taken: Move,
    event: str,
    body: dict[str, Any] | None = None,
    **columns: Any,
) -> JobEvent | None:
    """Take an arrow of the state table; None when the job is not where the arrow starts.

    What is owed to webhooks for it is written with it, and how long a claim that ends has held a device.
    """
    state = reached(taken)
    appended = append(
        session,
        and_(guard, Job.state.in_(sources(taken))),
        event,
        body,
        state=state,
        attempt_is_over=taken in LOST,
        **{**_SETTLED[state], **columns},
    )
    if appended is not None:
        if JobState.RUNNING in sources(taken):
            note_use(session, appended.job_id, lost=taken in LOST)
        announce(session, taken, appended)
    return appended


def is_in(job: type[Job], state: JobState) -> ColumnElement[bool]:
    """The job is in this state; written out rather than bound, so that partial indexes serve it."""
    return job.state == literal_column(f"'{state}'", String)


def running_under(job_id: str, token: int) -> ColumnElement[bool]:
    """The fence: true while this claim holds the job."""
    return and_(Job.id == job_id, Job.state == JobState.RUNNING, Job.token == token)


def locked(statement: Select[T], *, skip_locked: bool = False) -> Select[T]:
    """Lock the rows until the transaction ends (SQLite: its writers are alone anyway); read them anew."""
    return statement.with_for_update(skip_locked=skip_locked).execution_options(populate_existing=True)


def job_of(
    session: Session,
    job_id: str,
    owner: str | None,
    *,
    shared: bool = False,
    lock: bool = False,
    leave: tuple[InstrumentedAttribute[Any], ...] = (),
) -> Job:
    """The job's row as it is now, without the columns ``leave``; somebody else's does not exist.

    ``shared``: one that is shared with ``owner`` does.
    """
    statement = _one_job(owner is not None, shared, lock, leave)
    job = session.execute(statement, {"job_id": job_id, "owner": owner}).scalar_one_or_none()
    if job is None:
        raise JobNotFound(f"there is no job {printable(job_id)!r}", job_id=job_id)
    return job


def seen_by(owner: ColumnElement[str]) -> ColumnElement[bool]:
    """The job belongs to ``owner``, or is shared with them."""
    return or_(Job.owner_id == owner, shared_with(owner))


def shared_with(owner: ColumnElement[str] | str) -> ColumnElement[bool]:
    """Somebody else's job that is shared with ``owner``."""
    return exists().where(JobShare.job_id == Job.id, JobShare.owner_id == owner)


@cache
def _one_job(
    owned: bool, shared: bool, lock: bool, leave: tuple[InstrumentedAttribute[Any], ...]
) -> Select[Job]:
    """Made once for each combination: most requests run it."""
    statement = select(Job).where(Job.id == bindparam("job_id", type_=String))
    if owned:
        owner = bindparam("owner", type_=String)
        statement = statement.where(seen_by(owner) if shared else Job.owner_id == owner)
    statement = statement.options(*(defer(column, raiseload=True) for column in leave))
    statement = statement.execution_options(populate_existing=True)
    return locked(statement) if lock else statement


def plain(value: BaseModel, **options: Any) -> dict[str, Any]:
    """A pydantic value as the database keeps it: JSON types only, NaN and infinities as null."""
    parsed: dict[str, Any] = from_json(value.model_dump_json(**options))
    return parsed


def storable(body: dict[str, Any]) -> dict[str, Any]:
    """Without the NUL characters that PostgreSQL refuses."""
    kept: dict[str, Any] = json.loads(json.dumps(body).replace("\\u0000", "\\ufffd"))
    return kept


def printable(text: str, length: int = 2000) -> str:
    """Text that every database takes, no longer than ``length``."""
    return text.replace("\x00", "\ufffd")[:length]
