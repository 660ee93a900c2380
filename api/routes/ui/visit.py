"""What every page has: who looks, and a session for reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from sqlalchemy.orm import Session

from api.auth import Caller
from api.deps import AppContext, ContextDep, Reader
from api.web.render import page
from api.web.waiting import Capacity, why_waiting
from jobs import store
from jobs.store.observe import running_by_worker
from jobs.store.queue_order import queue_positions
from jobs.tables import Job

BEATS_BEFORE_DEAD = 6


@dataclass(frozen=True)
class Visit:
    """One look at a page."""

    request: Request
    caller: Caller
    context: AppContext

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for reading."""
        with self.context.reading() as session:
            yield session

    def page(self, template: str, **values: Any) -> Response:
        """The page, for this caller."""
        return page(self.request, template, caller=self.caller, **values)

    @property
    def live(self) -> str:
        """The page's own address, which it asks for anew."""
        query = self.request.url.query
        return self.request.url.path + (f"?{query}" if query else "")

    def capacity(self, session: Session) -> Capacity:
        """Of the workers that are heard of now."""
        horizon = BEATS_BEFORE_DEAD * self.context.settings.sweep_seconds
        slots = sum(worker.slots for worker in store.workers(session, seen_within_seconds=horizon))
        return Capacity(slots, sum(running_by_worker(session).values()))

    def waiting(self, session: Session, jobs: list[Job], capacity: Capacity) -> dict[str, str]:
        """Of each job that waits, why."""
        now, places = datetime.now(UTC), queue_positions(session, jobs)
        reasons = (
            (job.id, why_waiting(job, places[job.id], capacity, now)) for job in jobs if job.id in places
        )
        return {job_id: reason for job_id, reason in reasons if reason is not None}


async def get_visit(request: Request, caller: Reader, context: ContextDep) -> Visit:
    """Somebody who may look."""
    return Visit(request, caller, context)


VisitDep = Annotated[Visit, Depends(get_visit)]
