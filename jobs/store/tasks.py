"""Tasks, one sentence a function: added, claimed, renewed, ended. What becomes of lost ones: ``lost_tasks``.

A task is claimed as a job is: one guarded UPDATE that raises the token and sets the lease by the database's
clock. It is no job: it has no events, is in no list of jobs and in no quota.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, String, and_, delete, func, literal_column, select, update
from sqlalchemy.orm import Session, aliased

from jobs.database.dialect import FromNow, Now
from jobs.errors import LostClaim
from jobs.settings import Settings
from jobs.store.change import locked, printable, storable
from jobs.store.quotas.device_time import note_uses_of_parts
from jobs.store.submit import new_id
from jobs.store.task_handlers import HANDLERS
from jobs.tables import Task

WORKER_LOST = "worker_lost"

_NOBODY_RUNS_IT: dict[str, Any] = {
    "worker_id": None,
    "supervisor_pid": None,
    "lease_expires_at": None,
    "fraction": 0.0,
}


@dataclass(frozen=True)
class TaskClaim:
    """The right to do a task: good while it is running under this token."""

    task_id: str
    kind: str
    parent_id: str
    owner: str
    token: int
    attempt: int
    """1 for the first one."""
    payload: dict[str, Any]

    @property
    def fence(self) -> ColumnElement[bool]:
        """The condition that every write of this claim carries."""
        return and_(Task.id == self.task_id, is_in_state("running"), Task.token == self.token)

    @property
    def lost(self) -> LostClaim:
        """What is raised when the fence holds no more."""
        return LostClaim(task_id=self.task_id, token=self.token)

    @property
    def subject(self) -> str:
        """What it is about, for the log."""
        return f"task {self.task_id}"


def add_task(
    session: Session, kind: str, parent_id: str, owner: str, payload: dict[str, Any] | None = None
) -> str:
    """Queue a task for the row ``parent_id``; its id."""
    task_id = new_id()
    session.add(
        Task(
            id=task_id,
            kind=kind,
            parent_id=parent_id,
            owner_id=owner,
            state="queued",
            payload=storable(payload or {}),
        )
    )
    session.flush()
    return task_id


def a_task_waits(session: Session, kinds: Collection[str]) -> bool:
    """Whether a claim may find something; asked often, and blocks nobody."""
    waiting = select(Task.id).where(is_in_state("queued"), Task.kind.in_(kinds)).limit(1)
    return session.execute(waiting).scalar_one_or_none() is not None


def claim_task(
    session: Session,
    worker_id: str,
    lease_seconds: float,
    *,
    kinds: Collection[str],
    supervisor_pid: int | None = None,
) -> TaskClaim | None:
    """Take the next task of ``kinds``, or None when there is none.

    Next is the oldest one of the owner whose last task began longest ago: who brings a hundred data sets
    holds up nobody else. A task that another claim holds at this moment is passed over (PostgreSQL).
    """
    candidate, other = aliased(Task), aliased(Task)
    turn = select(func.max(other.started_at)).where(other.owner_id == candidate.owner_id).scalar_subquery()
    chosen = (
        select(candidate.id)
        .where(candidate.state == literal_column("'queued'", String), candidate.kind.in_(kinds))
        .order_by(turn.asc().nulls_first(), candidate.created_at, candidate.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=candidate)
        .scalar_subquery()
    )
    task = session.execute(
        update(Task)
        .where(Task.id == chosen, is_in_state("queued"))
        .values(
            state="running",
            token=Task.token + 1,
            worker_id=worker_id,
            supervisor_pid=supervisor_pid,
            lease_expires_at=FromNow(lease_seconds),
            started_at=Now(),
            fraction=0.0,
        )
        .returning(Task)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).scalar_one_or_none()
    if task is None:
        return None
    return TaskClaim(
        task_id=task.id,
        kind=task.kind,
        parent_id=task.parent_id,
        owner=task.owner_id,
        token=task.token,
        attempt=task.attempts + 1,
        payload=task.payload,
    )


def order_of_task(session: Session, settings: Settings, claim: TaskClaim) -> dict[str, Any]:
    """What the task is to do, see ``TaskHandler.order``.

    Raises:
        LostClaim: the task is no longer running under this token.
        RecordError: it cannot be done.
    """
    _held(session, claim)
    return HANDLERS[claim.kind].order(session, settings, claim.parent_id)


def renew_task(
    session: Session, claim: TaskClaim, lease_seconds: float, fraction: float | None = None
) -> None:
    """Prolong the lease, and note how far the task is.

    Raises:
        LostClaim: the task is no longer running under this token.
    """
    columns: dict[str, Any] = {} if fraction is None else {"fraction": fraction}
    _update(session, claim, lease_expires_at=FromNow(lease_seconds), **columns)


def finish_task(
    session: Session, claim: TaskClaim, result: dict[str, Any], publish: Callable[[], object] = bool
) -> bool:
    """running -> succeeded, and store the result with the parent; False where the parent is gone.

    ``publish`` gives the task's files their names. It is called while the task's row is locked and the claim
    is known to hold, so that a late worker cannot name its files either. It may be called again when the
    transaction is.

    Raises:
        LostClaim: the task is no longer running under this token.
        ValueError: ``result`` is no result of this kind; nothing is published.
    """
    _held(session, claim)
    there = HANDLERS[claim.kind].succeed(session, claim.parent_id, result)
    if there:
        publish()
    _end(session, claim, "succeeded", fraction=1.0, reason=None, message=None)
    return there


def fail_task(
    session: Session, claim: TaskClaim, message: str, *, reason: str = WORKER_LOST, final: bool = False
) -> str:
    """An attempt failed: queued again, or failed after the last one, which its parent is told.

    Args:
        message: for people.
        reason: stable snake-case code.
        final: further attempts would fail as well.

    Returns:
        The state that the task is in now.

    Raises:
        LostClaim: the task is no longer running under this token.
    """
    return end_attempt(session, _held(session, claim), reason, message, final=final)


def release_task(session: Session, claim: TaskClaim) -> None:
    """running -> queued without using an attempt: a clean shutdown.

    Raises:
        LostClaim: the task is no longer running under this token.
    """
    note_uses_of_parts(session, claim.fence)
    _update(session, claim, state="queued", **_NOBODY_RUNS_IT)


def cancel_tasks(session: Session, parent_id: str) -> int:
    """Forget the tasks of a parent that is being deleted, or needs none any more; how many there were.

    A worker that does one of them loses its claim and ends its process.
    """
    note_uses_of_parts(session, Task.parent_id == parent_id)
    gone = delete(Task).where(Task.parent_id == parent_id).returning(Task.id)
    return len(session.execute(gone.execution_options(synchronize_session=False)).all())


def fractions_of(session: Session, parent_ids: Collection[str]) -> dict[str, float]:
    """How far the tasks of these parents are that run now, 0 to 1, by parent."""
    if not parent_ids:
        return {}
    running = select(Task.parent_id, Task.fraction).where(
        Task.parent_id.in_(parent_ids), is_in_state("running")
    )
    return dict(session.execute(running).all())


def task_counts(session: Session) -> dict[str, int]:
    """Tasks by state; one that does not occur is left out."""
    return dict(session.execute(select(Task.state, func.count()).group_by(Task.state)).all())


def is_in_state(state: str) -> ColumnElement[bool]:
    """Written out rather than bound, so that partial indexes serve it."""
    return Task.state == literal_column(f"'{state}'", String)


def _held(session: Session, claim: TaskClaim) -> Task:
    """The claim's task, locked."""
    task = session.execute(locked(select(Task).where(claim.fence))).scalar_one_or_none()
    if task is None:
        raise claim.lost
    return task


def _end(session: Session, claim: TaskClaim, state: str, **columns: Any) -> None:
    note_uses_of_parts(session, claim.fence)
    _update(session, claim, state=state, finished_at=Now(), **{**_NOBODY_RUNS_IT, **columns})


def _update(session: Session, claim: TaskClaim, **columns: Any) -> None:
    changed = session.execute(
        update(Task)
        .where(claim.fence)
        .values(**columns)
        .returning(Task.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if changed is None:
        raise claim.lost


def end_attempt(session: Session, task: Task, reason: str, message: str, *, final: bool = False) -> str:
    """Count an attempt of a locked, running task that came to nothing; the state that it is in now."""
    attempts = task.attempts + 1
    failed = final or attempts >= task.max_attempts
    words = printable(message)
    if failed and not final:
        words = printable(f"tried {attempts} times, which is all that is allowed; last: {words}")
    columns: dict[str, Any] = {"state": "queued"}
    if failed:
        columns = {"state": "failed", "finished_at": Now()}
        if handler := HANDLERS.get(task.kind):  # none: of a kind that another version knows
            handler.fail(session, task.parent_id, reason, words)
    note_uses_of_parts(session, and_(Task.id == task.id, Task.token == task.token))
    session.execute(
        update(Task)
        .where(Task.id == task.id, is_in_state("running"), Task.token == task.token)
        .values(attempts=attempts, reason=printable(reason, 64), message=words, **_NOBODY_RUNS_IT, **columns)
        .execution_options(synchronize_session=False)
    )
    return str(columns["state"])
