"""Workers and devices: who works, on what, and how much of it is free."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from fastapi import APIRouter, Response

from api.routes.ui.visit import BEATS_BEFORE_DEAD, VisitDep
from jobs import store
from jobs.store.machines.devices import devices, running_jobs
from jobs.store.machines.slots import slots_of
from jobs.tables import Job, Worker

router = APIRouter(include_in_schema=False)

REMEMBERED_SECONDS = 7 * 86400.0


@dataclass(frozen=True)
class ShownSlot:
    """A place for one run, on one device; ``job`` is the one that runs there, where it is of who looks."""

    device: str
    busy: bool
    job: Job | None


@dataclass(frozen=True)
class ShownWorker:
    """A worker with its slots; ``alive`` where it was heard of lately."""

    worker: Worker
    slots: tuple[ShownSlot, ...]
    alive: bool


@router.get("/ui/workers")
def list_workers(visit: VisitDep) -> Response:
    """Those that are heard of, then those of the last week that were not stopped."""
    horizon = BEATS_BEFORE_DEAD * visit.context.settings.sweep_seconds
    with visit.reading() as session:
        alive = {worker.id for worker in store.workers(session, seen_within_seconds=horizon)}
        own = {job.id: job for job in running_jobs(session, visit.caller.owner)}
        workers = store.workers(session, seen_within_seconds=REMEMBERED_SECONDS)
        slots: dict[str, list[ShownSlot]] = defaultdict(list)
        for slot in slots_of(session, [worker.id for worker in workers]):
            job = own.get(slot.job_id or "")
            slots[slot.worker_id].append(ShownSlot(slot.device, slot.job_id is not None, job))
        shown = [ShownWorker(worker, tuple(slots[worker.id]), worker.id in alive) for worker in workers]
        used = devices(session)
    shown.sort(key=lambda one: (not one.alive, one.worker.host, one.worker.id))
    return visit.page(
        "workers.html", title="Workers and devices", here="/ui/workers", workers=shown, devices=used
    )
