"""What a person does to a job: submit, look, cancel, retry."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from cartl_core.spec import JobRequest, JobSpec
from jobs.models import Job


def submit(
    session: Session,
    *,
    request: JobRequest,
    spec: JobSpec,
    estimate: dict[str, Any],
    owner: str,
    priority: int = 0,
    max_attempts: int = 3,
    max_queued: int | None = None,
) -> Job:
    """Write a job and its first event, ``submitted``.

    Raises:
        TooManyJobs: the owner has ``max_queued`` queued jobs already.
    """
    raise NotImplementedError


def find(session: Session, job_id: str, owner: str | None = None) -> Job:
    """The job; with ``owner`` given, somebody else's does not exist.

    Raises:
        JobNotFound: there is none.
    """
    raise NotImplementedError


def request_cancel(session: Session, job_id: str, owner: str | None = None) -> Job:
    """Ask that a job end: a queued one ends at once, a running one when its worker has stopped.

    Asking again changes nothing; nor does asking for a job that is cancelled already.

    Raises:
        JobNotFound: there is no such job of this owner.
        NotAllowed: it has succeeded or failed.
    """
    raise NotImplementedError


def retry(session: Session, job_id: str, owner: str | None = None) -> Job:
    """Queue a failed or cancelled job again: attempts back to 0, events kept, checkpoints used.

    Raises:
        JobNotFound: there is no such job of this owner.
        NotAllowed: it is queued, running or succeeded.
    """
    raise NotImplementedError


def replayed(session: Session, *, owner: str, key: str, body_digest: str) -> Job | None:
    """The job that this Idempotency-Key made before; None when the key is new.

    Call it first in the transaction that submits, and ``remember`` after ``submit``.

    Raises:
        IdempotencyConflict: the key was used with another body.
        IdempotencyInFlight: another request holds the key right now.
    """
    raise NotImplementedError


def remember(session: Session, *, owner: str, key: str, body_digest: str, job: Job) -> None:
    """Keep what this Idempotency-Key was used for."""
    raise NotImplementedError
