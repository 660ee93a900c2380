"""What a worker does to a job that it has claimed: renew the lease, end it one way or another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from jobs.database.dialect import FromNow, Now
from jobs.state import JobState, Move
from jobs.store.change import locked, move, printable, running_under
from jobs.store.claim import Claim
from jobs.tables import Job

LOSSES = ("child_lost", "supervisor_died", "not_held", "lease_expired")
"""Why a run was taken from its worker."""


@dataclass(frozen=True)
class RenewResult:
    """What a worker learns when it renews its lease."""

    cancel_requested: bool


def renew(session: Session, claim: Claim, lease_seconds: float) -> RenewResult:
    """Extend the lease from now on; a lapsed lease that nobody took is renewed as well.

    Raises:
        LostClaim: the job is no longer running under this token.
    """
    row = session.execute(
        update(Job)
        .where(claim.fence)
        .values(lease_expires_at=FromNow(lease_seconds), heartbeat_at=Now())
        .returning(Job.cancel_requested_at)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if row is None:
        raise claim.lost
    return RenewResult(cancel_requested=row.cancel_requested_at is not None)


def complete(session: Session, claim: Claim) -> None:
    """running -> succeeded, also when a cancel was requested: the result is there.

    Raises:
        LostClaim: the job is no longer running under this token.
    """
    _end(session, claim, Move.COMPLETE, "succeeded", fraction=1.0)


def fail(session: Session, claim: Claim, reason: str, message: str) -> None:
    """running -> failed, for an error that would repeat. ``reason`` is a stable snake-case code.

    Raises:
        LostClaim: the job is no longer running under this token.
    """
    told = {"reason": printable(reason, 64), "message": printable(message)}
    _end(session, claim, Move.FAIL, "failed", told, **told)


def release(session: Session, claim: Claim, *, waiting_for: str | None = None) -> None:
    """running -> queued without using an attempt: clean shutdown, or it waits for a stage's digest.

    If a cancel was requested meanwhile, the job is cancelled instead.

    Raises:
        LostClaim: the job is no longer running under this token.
    """
    if _held(session, claim).cancel_requested_at is not None:
        acknowledge_cancel(session, claim)
    elif waiting_for is None:
        _end(session, claim, Move.RELEASE, "interrupted")
    else:
        told = {"waiting_for": waiting_for}
        _end(session, claim, Move.RELEASE, "waiting", told, **told)


def requeue_after_crash(
    session: Session, claim: Claim, message: str = "the run ended without a word"
) -> None:
    """The child was killed: running -> queued with one attempt more used, or failed `worker_lost`.

    If a cancel was requested meanwhile, the job is cancelled instead.

    Raises:
        LostClaim: the job is no longer running under this token.
    """
    end_lost_attempt(session, _held(session, claim), "child_lost", message)


def end_lost_attempt(session: Session, job: Job, why: str, message: str) -> JobState:
    """Take a locked, running job from its worker; the state it is in from here on.

    ``why``: one of ``LOSSES``.
    """
    guard = running_under(job.id, job.token)
    told = {"why": why, "message": printable(message), "worker": job.worker_id}
    if job.cancel_requested_at is not None:
        move(session, guard, Move.ACKNOWLEDGE, "cancelled", told, reason="cancelled", message=None)
        return JobState.CANCELLED
    fruitless = job.fruitless_attempts + 1
    counted = {"attempts_used": job.attempts_used + 1, "fruitless_attempts": fruitless}
    if fruitless >= job.max_attempts:
        words = (
            f"lost {fruitless} times without coming further, at most {job.max_attempts} are allowed; "
            f"last: {printable(message)}"
        )
        told |= {"reason": "worker_lost", "message": words}
        move(session, guard, Move.GIVE_UP, "failed", told, reason="worker_lost", message=words, **counted)
        return JobState.FAILED
    move(session, guard, Move.REQUEUE_AFTER_CRASH, "lost", told, **counted)
    return JobState.QUEUED


def acknowledge_cancel(session: Session, claim: Claim) -> None:
    """running -> cancelled: the child has stopped because its owner asked.

    Raises:
        LostClaim: the job is no longer running under this token, or nobody asked.
    """
    guard = and_(claim.fence, Job.cancel_requested_at.is_not(None))
    if move(session, guard, Move.ACKNOWLEDGE, "cancelled", reason="cancelled", message=None) is None:
        raise claim.lost


def _held(session: Session, claim: Claim) -> Job:
    """The claim's job, locked."""
    job = session.execute(locked(select(Job).where(claim.fence))).scalar_one_or_none()
    if job is None:
        raise claim.lost
    return job


def _end(
    session: Session,
    claim: Claim,
    taken: Move,
    event: str,
    body: dict[str, Any] | None = None,
    **columns: Any,
) -> None:
    if move(session, claim.fence, taken, event, body, **columns) is None:
        raise claim.lost
