"""Workers and devices: who works, on what, and how much of it is free."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from fastapi import APIRouter, Response

from api.routes.ui.visit import BEATS_BEFORE_DEAD, VisitDep
from jobs import store
from jobs.store.devices import devices, running_jobs
from jobs.store.observe import running_by_worker
from jobs.tables import Job, Worker

router = APIRouter(include_in_schema=False)

REMEMBERED_SECONDS = 7 * 86400.0


@dataclass(frozen=True)
class ShownWorker:
    """A worker with what it does.

    Attributes:
        running: jobs of everybody; ``own`` are those of who looks.
        alive: it was heard of lately.
    """

    worker: Worker
    running: int
    own: tuple[Job, ...]
    alive: bool


@router.get("/ui/workers")
def list_workers(visit: VisitDep) -> Response:
    """Those that are heard of, then those of the last week that were not stopped."""
    horizon = BEATS_BEFORE_DEAD * visit.context.settings.sweep_seconds
    with visit.reading() as session:
        alive = {worker.id for worker in store.workers(session, seen_within_seconds=horizon)}
        running = running_by_worker(session)
        own: dict[str | None, list[Job]] = defaultdict(list)
        for job in running_jobs(session, visit.caller.owner):
            own[job.worker_id].append(job)
        shown = [
            ShownWorker(worker, running.get(worker.id, 0), tuple(own[worker.id]), worker.id in alive)
            for worker in store.workers(session, seen_within_seconds=REMEMBERED_SECONDS)
        ]
        used = devices(session)
    shown.sort(key=lambda one: (not one.alive, one.worker.host, one.worker.id))
    return visit.page(
        "workers.html", title="Workers and devices", here="/ui/workers", workers=shown, devices=used
    )
