"""What a worker does to a job: claim it, renew the lease, end it one way or another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from cartl_core.spec import JobSpec, Runtime
from jobs.dialect import FromNow, Now
from jobs.errors import LostClaim
from jobs.models import Job, JobEvent, Stage
from jobs.state import JobState, Move
from jobs.store.change import locked, move, printable, running_under


@dataclass(frozen=True)
class Claim:
    """The right to run a job: good while the job is running under this token."""

    job_id: str
    owner: str
    token: int
    attempt: int
    """1 for the first attempt of a try."""
    worker_id: str
    spec: JobSpec
    runtime: Runtime | None
    """None at the first claim: the child resolves it and tells; later attempts must use it."""

    @property
    def fence(self) -> ColumnElement[bool]:
        """The condition that every write of this claim carries."""
        return running_under(self.job_id, self.token)

    @property
    def lost(self) -> LostClaim:
        """What is raised when the fence holds no more."""
        return LostClaim(job_id=self.job_id, token=self.token)


@dataclass(frozen=True)
class RenewResult:
    """What a worker learns when it renews its lease."""

    cancel_requested: bool


def claim(session: Session, *, worker_id: str, lease_seconds: float) -> Claim | None:
    """Take the best claimable job, or None when there is none.

    Best: highest priority, then the owner with the fewest running jobs, then the oldest. Claimable:
    queued, ``not_before`` passed, and not waiting for a stage that a live job computes.
    """
    claimed = move(
        session,
        Job.id == _best_claimable(),
        Move.CLAIM,
        "claimed",
        {"worker": worker_id},
        token=Job.token + 1,
        worker_id=worker_id,
        lease_expires_at=FromNow(lease_seconds),
        heartbeat_at=Now(),
        started_at=func.coalesce(Job.started_at, Now()),
        waiting_for=None,
        not_before=None,
    )
    return None if claimed is None else _claim_of(session, claimed, worker_id)


def _claim_of(session: Session, claimed: JobEvent, worker_id: str) -> Claim:
    job = session.get_one(Job, claimed.job_id, populate_existing=True)
    return Claim(
        job_id=job.id,
        owner=job.owner_id,
        token=job.token,
        attempt=claimed.attempt,
        worker_id=worker_id,
        spec=JobSpec.model_validate(job.spec),
        runtime=Runtime.model_validate(job.runtime) if job.runtime else None,
    )


def _best_claimable() -> ScalarSelect[str]:
    """Id of the job to claim. Rows that another claim holds are passed over (PostgreSQL)."""
    candidate, other = aliased(Job), aliased(Job)
    busy = (
        select(other.owner_id, func.count().label("running"))
        .where(other.state == JobState.RUNNING)
        .group_by(other.owner_id)
        .subquery()
    )
    return (
        select(candidate.id)
        .outerjoin(busy, busy.c.owner_id == candidate.owner_id)
        .where(claimable(candidate))
        .order_by(
            candidate.priority.desc(), func.coalesce(busy.c.running, 0), candidate.created_at, candidate.id
        )
        .limit(1)
        .with_for_update(skip_locked=True, of=candidate)
        .scalar_subquery()
    )


def claimable(job: type[Job]) -> ColumnElement[bool]:
    """Queued, not too early, and not waiting for a stage that a live job computes."""
    holder = aliased(Job)
    computed_elsewhere = exists().where(
        Stage.owner_id == job.owner_id,
        Stage.digest == job.waiting_for,
        Stage.state == "computing",
        holder.id == Stage.job_id,
        holder.token == Stage.token,
        holder.state == JobState.RUNNING,
        holder.lease_expires_at > Now(),
    )
    return and_(
        job.state == JobState.QUEUED,
        or_(job.not_before.is_(None), job.not_before <= Now()),
        or_(job.waiting_for.is_(None), ~computed_elsewhere),
    )


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


def lose(session: Session, claim: Claim, message: str = "the run ended without a word") -> None:
    """The child was killed: running -> queued with one attempt more used, or failed `worker_lost`.

    If a cancel was requested meanwhile, the job is cancelled instead.

    Raises:
        LostClaim: the job is no longer running under this token.
    """
    lose_job(session, _held(session, claim), "child_lost", message)


def lose_job(session: Session, job: Job, why: str, message: str) -> JobState:
    """Take a locked, running job from its worker; the state it is in from here on.

    ``why``: `child_lost`, `lease_expired` or `worker_died`.
    """
    guard = running_under(job.id, job.token)
    told = {"why": why, "message": printable(message), "worker": job.worker_id}
    if job.cancel_requested_at is not None:
        move(session, guard, Move.ACKNOWLEDGE, "cancelled", told, reason="cancelled", message=None)
        return JobState.CANCELLED
    used = job.attempts_used + 1
    if used >= job.max_attempts:
        words = f"lost {used} times, at most {job.max_attempts} are allowed; last: {printable(message)}"
        told |= {"reason": "worker_lost", "message": words}
        ended = {"attempts_used": used, "reason": "worker_lost", "message": words}
        move(session, guard, Move.GIVE_UP, "failed", told, **ended)
        return JobState.FAILED
    move(session, guard, Move.LOSE, "lost", told, attempts_used=used)
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
