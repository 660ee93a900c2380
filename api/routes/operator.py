"""For operators: the jobs of all owners, without what is in them, and the end of one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Query

from api.deps import ContextDep, JobId, Operator
from api.http.paging import Cursor, Limit, bad_cursor, check_limit
from api.openapi import problems
from api.schemas import Page, View
from jobs import store
from jobs.errors import BadCursor
from jobs.state import JobState
from jobs.store.rights.audit import note
from jobs.tables import Job

router = APIRouter(tags=["operator"])


class AnyonesJob(View):
    """Somebody's job, as whoever runs the service sees it: neither name nor tags, data, method or report."""

    id: str
    owner: str
    state: JobState
    reason: str | None
    priority: int
    worker: str | None = None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, job: Job) -> Self:
        """A row as it is shown."""
        named = {name: getattr(job, name) for name in cls.model_fields if name not in ("owner", "worker")}
        return cls(owner=job.owner_id, worker=job.worker_id, **named)


@router.get("/operator/jobs", summary="Jobs of all owners, newest first", responses=problems())
def list_all_jobs(
    caller: Operator,
    context: ContextDep,
    state: JobState | None = None,
    owner: Annotated[str | None, Query(max_length=64, description="Jobs of this owner.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[AnyonesJob]:
    """Whose they are, where they are, and since when. What is in a job only its owner shows."""
    check_limit(limit, context.settings)
    try:
        with context.reading() as session:
            jobs, next_cursor = store.list_jobs(session, owner, state=state, cursor=cursor, limit=limit)
    except BadCursor as error:
        raise bad_cursor(error) from error
    return Page(data=[AnyonesJob.of(job) for job in jobs], next_cursor=next_cursor)


@router.post(
    "/operator/jobs/{job_id}/cancel",
    summary="Cancel anybody's job",
    responses=problems(404, 409),
)
def cancel_any_job(job_id: JobId, caller: Operator, context: ContextDep) -> AnyonesJob:
    """As `POST /jobs/{job_id}/cancel` of its owner. The audit log says who did it."""
    with context.writing() as session:
        job = store.request_cancel(session, job_id)
        note(session, caller.actor, "job.cancel", job_id, of=job.owner_id)
        return AnyonesJob.of(job)
