"""What a person does to a job: submit, look, cancel, retry."""

from __future__ import annotations

import secrets
import time
from typing import Any

from sqlalchemy import ColumnElement, String, and_, bindparam, delete, insert
from sqlalchemy.orm import Session

from cartl_core.spec import JobSpec, digest
from cartl_core.spec.arm import AUTO
from cartl_core.spec.existing_network import AnyRequest, EvaluateJobSpec
from jobs.database.advisory_locks import hold, wait_for
from jobs.database.dialect import FromNow, Now, insert_if_new
from jobs.errors import IdempotencyConflict, IdempotencyInFlight, NotAllowed, TooManyJobs
from jobs.quotas import Limits
from jobs.state import JobState, Move, sources
from jobs.store.change import append, job_of, move, plain
from jobs.store.queue_order import ahead_of_the_newest, queued_ahead
from jobs.store.quotas.device_time import note_uses_of_parts
from jobs.store.quotas.limits import demand_quota, queued_and_limits
from jobs.store.resources.record import hold_named
from jobs.tables import IdempotencyKey, Job, JobEvent, Task

KEY_HOURS = 24
MANY = 10**9
"""Stands for no limit."""
GIVEN = "given"
"""Stands for the method where nothing is trained."""
TOGETHER = 100
"""More transactions than all front ends together begin for one owner in the same moment."""

# Statements on the tables, not objects for the session to track, and the place told by the first of them:
# each costs POST /jobs about a tenth of its pace (docs/explanation/load.md).
_JOBS, _EVENTS = (model.metadata.tables[model.__tablename__] for model in (Job, JobEvent))
_OTHERS = _JOBS.alias()
_AHEAD = queued_ahead(
    _OTHERS, ahead_of_the_newest(_OTHERS), _OTHERS.c.id != bindparam("itself", type_=String)
)
_NEW_JOB = insert(_JOBS).returning(_JOBS.c.created_at, _AHEAD)
_NEW_EVENT = insert(_EVENTS)


def new_id() -> str:
    """32 hexadecimal digits: milliseconds first, so that ids sort by age; the rest is random."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def submit(session: Session, **asked: Any) -> Job:
    """``enqueue``, where nobody wants to know the place."""
    return enqueue(session, **asked)[0]


def enqueue(
    session: Session,
    *,
    request: AnyRequest,
    spec: JobSpec | EvaluateJobSpec,
    estimate: dict[str, Any],
    owner: str,
    sweep_id: str | None = None,
    priority: int = 0,
    max_attempts: int = 3,
) -> tuple[Job, int]:
    """Write a job and its first event, ``submitted``; also gives its place, as ``queue_position`` would.

    Nobody else knows the job yet, so its first event needs no guard, and its number is 1.

    Raises:
        DatasetNotReady, TeacherNotReady: what the job names was deleted since it was looked up.
        SpecError: so was the job whose network it measures.
    """
    stored = plain(spec)
    hold_named(session, stored)
    row: dict[str, Any] = {
        "id": new_id(),
        "owner_id": owner,
        "sweep_id": sweep_id,
        "name": spec.name,
        "tags": list(spec.tags),
        "dataset": spec.dataset.name,
        "method": spec.method if isinstance(spec, JobSpec) else GIVEN,
        "freeze_depth": _freeze_depth(spec),
        "state": JobState.QUEUED,
        "request": plain(request, exclude_unset=True),
        "spec": stored,
        "spec_digest": digest(spec),
        "estimate": estimate,
        "priority": priority,
        "max_attempts": max_attempts,
        "attempts_used": 0,
        "fruitless_attempts": 0,
        "token": 0,
        "event_count": 1,
    }
    created_at, ahead = session.execute(
        _NEW_JOB, row | {"its_owner": owner, "its_priority": priority, "itself": row["id"]}
    ).one()
    told = {"spec_digest": row["spec_digest"]}
    first = {"job_id": row["id"], "number": 1, "type": "submitted", "attempt": 1, "body": told}
    session.execute(_NEW_EVENT, first)
    return Job(**row, created_at=created_at), 1 + ahead


def _freeze_depth(spec: JobSpec | EvaluateJobSpec) -> int | None:
    """None where the run is to choose it, 0 where nothing is trained."""
    depth = spec.freeze_depth if isinstance(spec, JobSpec) else 0
    return None if depth == AUTO else depth


def remaining_quota(session: Session, owner: str, defaults: Limits, wanted: int = 1) -> int:
    """How many more jobs ``owner`` may queue, at least ``wanted``; ``MANY`` where there is no limit.

    ``defaults`` are the limits of the settings; those of the owner's own row go before. Requests of the same
    moment do not see each other, so close to the limit they come one by one.

    Raises:
        TooManyJobs: so many more are not allowed.
        QuotaExceeded: device seconds or stored bytes are used up.
    """
    queued, limits = queued_and_limits(session, owner, defaults)
    demand_quota(session, owner, limits)
    most = limits.queued
    if most is None:
        return MANY
    if queued + wanted > most - TOGETHER:
        wait_for(session, f"queue\n{owner}")
        queued, _ = queued_and_limits(session, owner, defaults)
    if queued + wanted > most:
        new = "" if wanted == 1 else f" and {wanted} are new"
        raise TooManyJobs(
            f"{queued} jobs are queued{new}; allowed: at most {most}", queued=queued, allowed=most
        )
    return most - queued


def find(session: Session, job_id: str, owner: str | None = None) -> Job:
    """The job; with ``owner`` given, somebody else's does not exist, unless it is shared with them.

    Raises:
        JobNotFound: there is none.
    """
    return job_of(session, job_id, owner, shared=True)


def request_cancel(session: Session, job_id: str, owner: str | None = None) -> Job:
    """Ask that a job end: a queued one ends at once, a running one when its worker has stopped.

    Asking again changes nothing; nor does asking for a job that is cancelled already.

    Raises:
        JobNotFound: there is no such job of this owner.
        NotAllowed: it has succeeded or failed.
    """
    job = job_of(session, job_id, owner, lock=True)
    if job.state == JobState.QUEUED:
        move(session, Job.id == job_id, Move.CANCEL, "cancelled", reason="cancelled", message=None)
        note_uses_of_parts(session, Task.parent_id == job_id)
        session.execute(delete(Task).where(Task.parent_id == job_id))  # parts that it waits for
    elif job.state == JobState.RUNNING:
        append(
            session,
            and_(Job.id == job_id, Job.state == JobState.RUNNING, Job.cancel_requested_at.is_(None)),
            "cancel_requested",
            cancel_requested_at=Now(),
        )
    elif job.state != JobState.CANCELLED:
        raise NotAllowed(JobState(job.state), Move.CANCEL, (*sources(Move.CANCEL), JobState.RUNNING))
    return find(session, job_id)


def retry(session: Session, job_id: str, owner: str | None = None, *, limits: Limits | None = None) -> Job:
    """Queue a failed or cancelled job again: attempts back to 0, events kept, checkpoints used.

    Raises:
        JobNotFound: there is no such job of this owner.
        NotAllowed: it is queued, running or succeeded.
        TooManyJobs: the queue of the owner is full.
        QuotaExceeded: device seconds or stored bytes are used up.
    """
    job = job_of(session, job_id, owner, lock=True)
    if limits is not None and job.state in sources(Move.RETRY):
        remaining_quota(session, job.owner_id, limits)
    moved = move(
        session,
        Job.id == job_id,
        Move.RETRY,
        "retried",
        attempts_used=0,
        fruitless_attempts=0,
        started_at=None,
        reason=None,
        message=None,
        waiting_for=None,
        not_before=None,
    )
    if moved is None:
        raise NotAllowed(JobState(job.state), Move.RETRY, sources(Move.RETRY))
    return find(session, job_id)


def replayed(session: Session, *, owner: str, key: str, body_digest: str) -> Job | None:
    """The job that this Idempotency-Key made before; None when the key is new, or ``KEY_HOURS`` old.

    Call it first in the transaction that submits, and ``remember`` after ``submit``.

    Raises:
        IdempotencyConflict: the key was used with another body.
        IdempotencyInFlight: another request holds the key right now.
    """
    kept = kept_key(session, owner=owner, key=key, body_digest=body_digest)
    return None if kept is None or kept.job_id is None else find(session, kept.job_id, owner)


def kept_key(session: Session, *, owner: str, key: str, body_digest: str) -> IdempotencyKey | None:
    """What this Idempotency-Key was used for; held from here on until the transaction ends.

    Raises:
        IdempotencyConflict: the key was used with another body.
        IdempotencyInFlight: another request holds the key right now.
    """
    if not hold(session, f"idempotency key\n{owner}\n{key}"):
        raise IdempotencyInFlight(key=key)
    session.execute(
        delete(IdempotencyKey)
        .where(IdempotencyKey.owner_id == owner, IdempotencyKey.key == key, key_expired())
        .execution_options(synchronize_session=False)
    )
    kept = session.get(IdempotencyKey, (owner, key), populate_existing=True)
    if kept is not None and kept.body_digest != body_digest:
        raise IdempotencyConflict(key=key)
    return kept


def key_expired() -> ColumnElement[bool]:
    """An Idempotency-Key counts for ``KEY_HOURS``."""
    return IdempotencyKey.created_at <= FromNow(-3600.0 * KEY_HOURS)


def remember(session: Session, *, owner: str, key: str, body_digest: str, job: Job) -> None:
    """Keep that this Idempotency-Key made ``job``.

    Raises:
        IdempotencyInFlight: another request has used the key in the meantime.
    """
    keep_key(session, owner=owner, key=key, body_digest=body_digest, job_id=job.id)


def keep_key(session: Session, *, owner: str, key: str, body_digest: str, **made: str) -> None:
    """Keep what this Idempotency-Key has made: ``job_id`` or ``resource_id``.

    Raises:
        IdempotencyInFlight: another request has used the key in the meantime.
    """
    if not insert_if_new(session, IdempotencyKey, owner_id=owner, key=key, body_digest=body_digest, **made):
        raise IdempotencyInFlight(key=key)
