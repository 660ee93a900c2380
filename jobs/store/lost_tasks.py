"""Tasks that are lost: taken from workers that are not heard of, or whose process is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, select, tuple_, update
from sqlalchemy.orm import Session

from jobs.database.dialect import FromNow, Now
from jobs.store.change import locked
from jobs.store.tasks import WORKER_LOST, end_attempt, is_in_state
from jobs.tables import Task, Worker

LEASE_EXPIRED = "its worker was not heard of in time"
SUPERVISOR_DIED = "the process that supervised it is gone"
NOT_HELD = "its worker does not know that it has it"


@dataclass(frozen=True)
class TasksTaken:
    """The tasks that were taken from their workers, by what became of them."""

    requeued: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def reap_tasks(
    session: Session, *, limit: int = 100, unless: ColumnElement[bool] | None = None
) -> TasksTaken:
    """Take the tasks whose lease has expired from their workers; safe to run twice at once.

    ``unless``: a condition, looked at in the same statement, under which nothing is taken.
    """
    expired = (
        select(Task)
        .where(is_in_state("running"), Task.lease_expires_at <= Now())
        .order_by(Task.lease_expires_at)
        .limit(limit)
    )
    if unless is not None:
        expired = expired.where(~unless)
    tasks = session.execute(locked(expired, skip_locked=True)).scalars().all()
    return _take(session, tasks, LEASE_EXPIRED)


def free_orphan_tasks(session: Session, *, pid_space: str, is_alive: Callable[[int], bool]) -> TasksTaken:
    """Take the tasks of workers in ``pid_space`` whose supervising process is gone, before the lease ends."""
    supervisor = func.coalesce(Task.supervisor_pid, Worker.pid)
    held = session.execute(
        select(Task.id, Task.token, supervisor)
        .join(Worker, Worker.id == Task.worker_id)
        .where(is_in_state("running"), Worker.pid_space == pid_space)
    ).all()
    orphaned = [(task_id, token) for task_id, token, pid in held if not is_alive(pid)]
    if not orphaned:
        return TasksTaken()
    still = select(Task).where(is_in_state("running"), tuple_(Task.id, Task.token).in_(orphaned))
    tasks = session.execute(locked(still.order_by(Task.id), skip_locked=True)).scalars().all()
    return _take(session, tasks, SUPERVISOR_DIED)


def free_unheld_tasks(session: Session, *, worker_id: str, supervisor_pid: int) -> TasksTaken:
    """Take from a process that is about to claim what it seems to run: it runs nothing."""
    mine = select(Task).where(
        is_in_state("running"), Task.worker_id == worker_id, Task.supervisor_pid == supervisor_pid
    )
    return _take(session, session.execute(locked(mine)).scalars().all(), NOT_HELD)


def keep_task_claims(session: Session, *, worker_id: str, lease_seconds: float) -> None:
    """Renew the leases of a worker's own tasks, for a worker that has slept."""
    session.execute(
        update(Task)
        .where(is_in_state("running"), Task.worker_id == worker_id)
        .values(lease_expires_at=FromNow(lease_seconds))
        .execution_options(synchronize_session=False)
    )


def forget_ended_tasks(session: Session, cutoff: FromNow) -> int:
    """Delete the rows of tasks that ended before ``cutoff``; how many."""
    old = delete(Task).where(Task.finished_at <= cutoff).returning(Task.id)
    return len(session.execute(old.execution_options(synchronize_session=False)).all())


def _take(session: Session, tasks: Iterable[Task], message: str) -> TasksTaken:
    became: dict[str, list[str]] = {"queued": [], "failed": []}
    for task in tasks:
        became[end_attempt(session, task, WORKER_LOST, message)].append(task.id)
    return TasksTaken(requeued=tuple(became["queued"]), failed=tuple(became["failed"]))
