"""The slots of workers: which device each is on, and what it was last claimed for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, func, insert, literal, select, tuple_, update
from sqlalchemy.orm import Session

from jobs.database.dialect import FromNow, UtcTime
from jobs.devices import Slot
from jobs.state import JobState
from jobs.store.change import is_in
from jobs.tables import Job, Task, Worker, WorkerSlot


@dataclass(frozen=True)
class SlotState:
    """One slot; ``job_id`` and ``owner`` of the job that runs there, whole or in part; None while idle."""

    worker_id: str
    number: int
    device: str
    job_id: str | None
    owner: str | None


def add_slots(session: Session, worker_id: str, slots: Sequence[Slot]) -> None:
    """Write the slots of a worker that signs on."""
    rows = [{"worker_id": worker_id, "number": slot.number, "device": slot.device.id} for slot in slots]
    if rows:
        session.execute(insert(WorkerSlot), rows)


def note_claim(session: Session, worker_id: str, slot: Slot, work_id: str, token: int) -> None:
    """The slot was claimed for a job, or a part of one; it is busy while that runs under that token.

    A worker that has not signed on yet has no rows; its slot is shown as idle until its next claim.
    """
    session.execute(
        update(WorkerSlot)
        .where(WorkerSlot.worker_id == worker_id, WorkerSlot.number == slot.number)
        .values(work_id=work_id, token=token)
        .execution_options(synchronize_session=False)
    )


def live_workers(
    session: Session, *, seen_within_seconds: float, limit: int, before: tuple[datetime, str] | None = None
) -> Sequence[Worker]:
    """Workers that are heard of, by start and id, newest first; ``before``: only those after this place."""
    chosen = select(Worker).where(_is_live(seen_within_seconds))
    if before is not None:
        at, worker_id = before
        chosen = chosen.where(
            tuple_(Worker.started_at, Worker.id) < tuple_(literal(at, UtcTime()), literal(worker_id))
        )
    ordered = chosen.order_by(Worker.started_at.desc(), Worker.id.desc()).limit(limit)
    return session.execute(ordered).scalars().all()


def slots_of(session: Session, worker_ids: Collection[str]) -> list[SlotState]:
    """The slots of these workers, by worker and number."""
    chosen = _slots().where(WorkerSlot.worker_id.in_(worker_ids))
    rows = session.execute(chosen.order_by(WorkerSlot.worker_id, WorkerSlot.number))
    return [SlotState(*row) for row in rows]


def device_counts(session: Session, *, seen_within_seconds: float) -> Counter[tuple[str, bool]]:
    """How many slots of the workers that are heard of lie on each device id and are busy, or are not."""
    live = _slots().join(Worker, Worker.id == WorkerSlot.worker_id).where(_is_live(seen_within_seconds))
    states = (SlotState(*row) for row in session.execute(live))
    return Counter((state.device, state.job_id is not None) for state in states)


def _is_live(seen_within_seconds: float) -> ColumnElement[bool]:
    return and_(Worker.stopped_at.is_(None), Worker.heartbeat_at > FromNow(-seen_within_seconds))


def _slots() -> Select[str, int, str, str | None, str | None]:
    job = and_(Job.id == WorkerSlot.work_id, Job.token == WorkerSlot.token, is_in(Job, JobState.RUNNING))
    part = and_(Task.id == WorkerSlot.work_id, Task.token == WorkerSlot.token, Task.state == "running")
    return (
        select(
            WorkerSlot.worker_id,
            WorkerSlot.number,
            WorkerSlot.device,
            func.coalesce(Job.id, Task.parent_id),
            func.coalesce(Job.owner_id, Task.owner_id),
        )
        .outerjoin(Job, job)
        .outerjoin(Task, part)
    )
