"""What keeps the record true when workers die: expired leases, worker rows, one maintenance at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from jobs.database.dialect import FromNow, Now, insert_if_new
from jobs.devices import Slot
from jobs.state import JobState
from jobs.store.change import locked
from jobs.store.machines.slots import add_slots
from jobs.store.run import end_lost_attempt
from jobs.tables import Job, Lock, Worker


@dataclass(frozen=True)
class ReapResult:
    """The jobs that were taken from their workers, by what became of them."""

    requeued: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()


def reap_expired(
    session: Session, *, limit: int = 100, unless: ColumnElement[bool] | None = None
) -> ReapResult:
    """Take the jobs whose lease has expired from their workers; safe to run twice at once.

    ``unless``: a condition, looked at in the same statement, under which nothing is taken.
    """
    expired = (
        select(Job)
        .where(Job.state == JobState.RUNNING, Job.lease_expires_at <= Now())
        .order_by(Job.lease_expires_at)
        .limit(limit)
    )
    if unless is not None:
        expired = expired.where(~unless)
    jobs = session.execute(locked(expired, skip_locked=True)).scalars().all()
    return _end_lost_attempts(session, jobs, "lease_expired", "the worker was not heard of in time")


def _end_lost_attempts(session: Session, jobs: Iterable[Job], why: str, message: str) -> ReapResult:
    became: dict[JobState, list[str]] = {state: [] for state in JobState}
    for job in jobs:
        became[end_lost_attempt(session, job, why, message)].append(job.id)
    return ReapResult(
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
    session: Session,
    *,
    worker_id: str,
    host: str,
    pid: int,
    slots: Sequence[Slot],
    version: str,
    pid_space: str | None = None,
) -> Worker:
    """Write a worker's row and those of its slots. ``pid_space``: where its process id means something."""
    worker = Worker(id=worker_id, host=host, pid=pid, pid_space=pid_space, slots=len(slots), version=version)
    session.add(worker)
    session.flush()
    add_slots(session, worker_id, slots)
    return worker


def free_orphans(session: Session, *, pid_space: str, is_alive: Callable[[int], bool]) -> ReapResult:
    """Take the jobs whose supervising process is gone at once, without waiting for their leases.

    Only jobs of workers in ``pid_space``: of a process id that lies elsewhere, be it in a container with
    the same host name, nothing is known, and the lease decides. A supervisor that outlives its worker's
    main process is left to put its job back itself.
    """
    supervisor = func.coalesce(Job.supervisor_pid, Worker.pid)
    held = session.execute(
        select(Job.id, Job.token, supervisor)
        .join(Worker, Worker.id == Job.worker_id)
        .where(Job.state == JobState.RUNNING, Worker.pid_space == pid_space)
    ).all()
    orphaned = [(job_id, token) for job_id, token, pid in held if not is_alive(pid)]
    if not orphaned:
        return ReapResult()
    still = select(Job).where(Job.state == JobState.RUNNING, tuple_(Job.id, Job.token).in_(orphaned))
    jobs = session.execute(locked(still.order_by(Job.id), skip_locked=True)).scalars().all()
    return _end_lost_attempts(session, jobs, "supervisor_died", "the process that supervised the run is gone")


def free_unheld(session: Session, *, worker_id: str, supervisor_pid: int) -> ReapResult:
    """Take from a process that is about to claim what it seems to run: it runs nothing.

    Either the COMMIT of its claim was made and seemed to fail, or the end of the run could not be written.
    """
    mine = select(Job).where(
        Job.state == JobState.RUNNING, Job.worker_id == worker_id, Job.supervisor_pid == supervisor_pid
    )
    jobs = session.execute(locked(mine)).scalars().all()
    return _end_lost_attempts(session, jobs, "not_held", "its worker does not know that it has it")


def stop_dead_workers(
    session: Session, *, pid_space: str, is_running: Callable[[str, int], bool]
) -> list[str]:
    """Note that workers of ``pid_space`` have stopped whose main process is gone; their ids.

    What such a worker alone was to do, as the sweeping, is anybody's at once.
    ``is_running(worker_id, pid)`` says whether that process is there and is that worker, not another one
    with a reused process id.
    """
    rows = session.execute(
        select(Worker.id, Worker.pid).where(Worker.pid_space == pid_space, Worker.stopped_at.is_(None))
    ).all()
    dead = [worker_id for worker_id, pid in rows if not is_running(worker_id, pid)]
    if dead:
        session.execute(
            update(Worker)
            .where(Worker.id.in_(dead))
            .values(stopped_at=Now())
            .execution_options(synchronize_session=False)
        )
        session.execute(delete(Lock).where(Lock.holder.in_(dead)))
    return dead


def keep_claims(
    session: Session, *, worker_id: str, lease_seconds: float, is_alive: Callable[[int], bool]
) -> int:
    """Renew the leases of a worker's own jobs whose supervising processes are there; how many these are.

    For a worker that has slept: its supervisors have not had the time to renew them.
    """
    held = session.execute(
        select(Job.id, Job.token, Job.supervisor_pid).where(
            Job.state == JobState.RUNNING, Job.worker_id == worker_id, Job.supervisor_pid.is_not(None)
        )
    ).all()
    kept = [(job_id, token) for job_id, token, pid in held if pid is not None and is_alive(pid)]
    if kept:
        session.execute(
            update(Job)
            .where(Job.state == JobState.RUNNING, tuple_(Job.id, Job.token).in_(kept))
            .values(lease_expires_at=FromNow(lease_seconds))
            .execution_options(synchronize_session=False)
        )
    return len(kept)


def slept(worker_id: str, seconds: float) -> ColumnElement[bool]:
    """The worker, which asks, has not beaten for so long by the database's clock."""
    return exists().where(Worker.id == worker_id, Worker.heartbeat_at <= FromNow(-seconds))


def has_slept(session: Session, worker_id: str, seconds: float) -> bool:
    """``slept``, asked by itself."""
    return bool(session.execute(select(slept(worker_id, seconds))).scalar_one())


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
