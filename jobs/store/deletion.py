"""Deleting a job that has ended: its row, and with it events, series, files' rows, shares, Idempotency-Keys.

Files go once that is committed; what a crash leaves of them, ``python -m jobs prune`` removes. Stages and
checkpoints are not the job's alone: they stay as long as ``jobs.files.retention`` says.
"""

from __future__ import annotations

from collections import Counter

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from jobs.errors import JobInUse, JobNotEnded
from jobs.state import TERMINAL, JobState
from jobs.store.change import job_of
from jobs.tables import DeletedJob, Job, JobEvent, Task

COUNTED = ("claimed", "lost")
"""Events that monitoring has counted since the first job: it goes on counting those of deleted ones."""


def delete_job(
    session: Session, job_id: str, owner: str | None, *, deleted_by: str, key_id: str | None = None
) -> str:
    """Delete the row of a job and all that hangs on it; whose it was.

    Args:
        owner: whose job it must be; None for an operator.
        deleted_by: who asks, for the record of deleted jobs.
        key_id: of the key that asks.

    Raises:
        JobNotFound: there is no such job of this owner.
        JobNotEnded: it is queued or running.
        JobInUse: a job that is to measure its network has not ended.
    """
    job = job_of(session, job_id, owner, lock=True)
    if job.state not in TERMINAL:
        raise JobNotEnded(f"the job is {job.state}: cancel it first, and delete it once it has ended")
    _demand_unused(session, job)
    session.add(_record_of(session, job, deleted_by, key_id))
    session.flush()
    for gone in (delete(Task).where(Task.parent_id == job_id), delete(Job).where(Job.id == job_id)):
        session.execute(gone.execution_options(synchronize_session=False))
    return job.owner_id


def _demand_unused(session: Session, job: Job) -> None:
    users = select(Job.id).where(
        Job.owner_id == job.owner_id,
        Job.state.in_((JobState.QUEUED, JobState.RUNNING)),
        Job.spec["network"]["job"].as_string() == job.id,
    )
    user = session.execute(users.limit(1)).scalar_one_or_none()
    if user is not None:
        raise JobInUse(f"job {user} is to measure its network; cancel that one first", job_id=user)


def _record_of(session: Session, job: Job, deleted_by: str, key_id: str | None) -> DeletedJob:
    events = session.scalars(
        select(JobEvent).where(JobEvent.job_id == job.id, JobEvent.type.in_(COUNTED))
    ).all()
    claims = [event.at for event in events if event.type == "claimed"]
    losses = Counter(event.body["why"] for event in events if event.type == "lost")
    return DeletedJob(
        id=job.id,
        owner_id=job.owner_id,
        deleted_by=deleted_by,
        key_id=key_id,
        claims=len(claims),
        last_claim_at=max(claims, default=None),
        losses=dict(losses) or None,
    )
