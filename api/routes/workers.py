"""Workers: which are heard of, and how much each does."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from api.deps import ContextDep, Reader
from api.openapi import problems
from api.routes.ui.visit import BEATS_BEFORE_DEAD
from api.schemas import View
from jobs import store
from jobs.store.observe import running_by_worker

router = APIRouter(tags=["health"])


class WorkerView(View):
    """A worker that is heard of."""

    id: str
    host: str
    slots: int = Field(description="Jobs that it runs at a time.")
    running: int = Field(description="Jobs that it runs now, of all owners.")
    version: str
    started_at: datetime
    heartbeat_at: datetime


class Workers(View):
    """All that are heard of; without one, queued jobs wait."""

    data: list[WorkerView]


@router.get("/workers", summary="Workers", responses=problems())
def list_workers(caller: Reader, context: ContextDep) -> Workers:
    """Workers that are heard of now, newest heartbeat first."""
    horizon = BEATS_BEFORE_DEAD * context.settings.sweep_seconds
    with context.reading() as session:
        running = running_by_worker(session)
        rows = [
            WorkerView(
                id=worker.id,
                host=worker.host,
                slots=worker.slots,
                running=running.get(worker.id, 0),
                version=worker.version,
                started_at=worker.started_at,
                heartbeat_at=worker.heartbeat_at,
            )
            for worker in store.workers(session, seen_within_seconds=horizon)
        ]
    return Workers(data=rows)
