"""The workers that are heard of, and what each of their slots does."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from api.deps import ContextDep, Reader
from api.http.paging import Cursor, Item, Limit, check_limit, cut, read_place
from api.openapi import problems
from api.schemas import Page, View
from jobs.store.machines.slots import SlotState, live_workers, slots_of
from jobs.tables import Worker

router = APIRouter(tags=["health"])

BEATS_BEFORE_DEAD = 6


class SlotView(View):
    """A place for one run."""

    number: int = Field(ge=0, description="From 0 within its worker.")
    device: str = Field(description="`cpu:N` or `cuda:N`; of a GPU, its place among those of the worker.")
    busy: bool = Field(description="Whether a job runs there.")
    job: str | None = Field(description="That job's id, where it is yours.")


class WorkerView(View):
    """A worker process that is heard of."""

    id: str
    host: str
    version: str
    started_at: datetime
    heartbeat_at: datetime
    slots: list[SlotView]


@router.get("/workers", summary="Workers, their slots and devices", responses=problems())
def list_workers(
    caller: Reader, context: ContextDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[WorkerView]:
    """Those that are heard of, newest first. A slot runs one job at a time, which sees its device alone."""
    settings = context.settings
    check_limit(limit, settings)
    place, horizon = read_place(cursor), BEATS_BEFORE_DEAD * settings.sweep_seconds
    with context.reading() as session:
        workers = live_workers(session, seen_within_seconds=horizon, limit=limit + 1, before=place)
        slots: dict[str, list[SlotView]] = defaultdict(list)
        for slot in slots_of(session, [worker.id for worker in workers]):
            slots[slot.worker_id].append(_slot(slot, caller.owner))
    return cut([Item(row.started_at, row.id, _worker(row, slots[row.id])) for row in workers], limit)


def _worker(row: Worker, slots: list[SlotView]) -> WorkerView:
    return WorkerView(
        id=row.id,
        host=row.host,
        version=row.version,
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        slots=slots,
    )


def _slot(slot: SlotState, owner: str) -> SlotView:
    return SlotView(
        number=slot.number,
        device=slot.device,
        busy=slot.job_id is not None,
        job=slot.job_id if slot.owner == owner else None,
    )
