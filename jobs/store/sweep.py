"""What keeps the record true when workers die: the sweeper, worker rows, the sweeper's own lease."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from jobs.dialect import FromNow, Now, insert_if_new
from jobs.models import Job, Lock, Worker
from jobs.state import JobState
from jobs.store.change import locked
from jobs.store.run import lose_job


@dataclass(frozen=True)
class SweepResult:
    """The jobs that were taken from their workers, by what became of them."""

    requeued: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()


def sweep(session: Session, *, limit: int = 100) -> SweepResult:
    """Take the jobs whose lease has expired from their workers; safe to run twice at once."""
    expired = (
        select(Job)
        .where(Job.state == JobState.RUNNING, Job.lease_expires_at <= Now())
        .order_by(Job.lease_expires_at)
        .limit(limit)
    )
    jobs = session.execute(locked(expired, skip_locked=True)).scalars().all()
    return _lose_all(session, jobs, "lease_expired", "the worker was not heard of in time")


def _lose_all(session: Session, jobs: Iterable[Job], why: str, message: str) -> SweepResult:
    became: dict[JobState, list[str]] = {state: [] for state in JobState}
    for job in jobs:
        became[lose_job(session, job, why, message)].append(job.id)
    return SweepResult(
        requeued=tuple(became[JobState.QUEUED]),
        failed=tuple(became[JobState.FAILED]),
        cancelled=tuple(became[JobState.CANCELLED]),
    )


def hold_lock(session: Session, name: str, holder: str, seconds: float) -> bool:
    """Take or extend the named lease; False while somebody else holds it."""
    taken = session.execute(
        update(Lock)
        .where(Lock.name == name, or_(Lock.holder == holder, Lock.expires_at <= Now()))
        .values(holder=holder, expires_at=FromNow(seconds))
        .returning(Lock.name)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if taken is not None:
        return True
    return insert_if_new(session, Lock, name=name, holder=holder, expires_at=FromNow(seconds))


def release_lock(session: Session, name: str, holder: str) -> None:
    """Give the named lease back, if it is held by ``holder``."""
    session.execute(delete(Lock).where(Lock.name == name, Lock.holder == holder))


def worker_started(
    session: Session, *, worker_id: str, host: str, pid: int, slots: int, version: str
) -> Worker:
    """Write a worker's row."""
    worker = Worker(id=worker_id, host=host, pid=pid, slots=slots, version=version)
    session.add(worker)
    session.flush()
    return worker


def free_worker_leases(
    session: Session, *, worker_id: str, host: str, alive: Callable[[int], bool]
) -> SweepResult:
    """Take the jobs of dead predecessors on this host at once, without waiting for their leases.

    Another worker's row of the same host is dead when its pid is this worker's own (a container's
    first process has always the same) or not ``alive(pid)``.
    """
    rows = session.execute(select(Worker).where(Worker.host == host, Worker.stopped_at.is_(None))).scalars()
    here = {row.id: row.pid for row in rows}
    own_pid = here.pop(worker_id, None)
    dead = [other for other, pid in here.items() if pid == own_pid or not alive(pid)]
    if not dead:
        return SweepResult()
    session.execute(
        update(Worker)
        .where(Worker.id.in_(dead))
        .values(stopped_at=Now())
        .execution_options(synchronize_session=False)
    )
    orphans = select(Job).where(Job.state == JobState.RUNNING, Job.worker_id.in_(dead)).order_by(Job.id)
    jobs = session.execute(locked(orphans)).scalars().all()
    return _lose_all(session, jobs, "worker_died", "the worker's process is gone")


def worker_beat(session: Session, worker_id: str) -> None:
    """The worker is alive."""
    session.execute(
        update(Worker)
        .where(Worker.id == worker_id)
        .values(heartbeat_at=Now(), stopped_at=None)
        .execution_options(synchronize_session=False)
    )


def worker_stopped(session: Session, worker_id: str) -> None:
    """The worker has shut down cleanly."""
    session.execute(
        update(Worker)
        .where(Worker.id == worker_id)
        .values(stopped_at=Now())
        .execution_options(synchronize_session=False)
    )


def workers(session: Session, *, seen_within_seconds: float | None = None) -> Sequence[Worker]:
    """Workers that have not stopped, newest heartbeat first."""
    chosen = select(Worker).where(Worker.stopped_at.is_(None))
    if seen_within_seconds is not None:
        chosen = chosen.where(Worker.heartbeat_at > FromNow(-seen_within_seconds))
    return session.execute(chosen.order_by(Worker.heartbeat_at.desc(), Worker.id)).scalars().all()
