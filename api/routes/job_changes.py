"""What its owner does to a job: cancel, retry, change its priority, delete."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from api.deps import CallerDep, ContextDep, JobId, ShortBody, Submitter
from api.http.body import parse
from api.openapi import json_body, problems
from api.routes.jobs import json_of, view_of
from api.schemas import JobView
from cartl_core.spec.request import PRIORITY, Priority
from cartl_core.strict_json import SMALL
from jobs import store
from jobs.files.stores import artifact_store
from jobs.store.rights.audit import note

router = APIRouter(tags=["jobs"])

log = logging.getLogger("cartl.api")


class JobChange(BaseModel):
    """What may be changed of a job that has not ended."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    priority: Priority = Field(description=PRIORITY)


CHANGES: dict[str, dict[str, Any]] = {"before your others": {"value": {"priority": 5}}}


@router.post("/jobs/{job_id}/cancel", summary="Cancel a job", responses=problems(404, 409))
def cancel_job(job_id: JobId, caller: Submitter, context: ContextDep) -> JobView:
    """A queued job ends at once; a running one when its worker has stopped it. Asking twice does no harm."""
    with context.writing() as session:
        job = store.request_cancel(session, job_id, caller.owner)
        note(session, caller.actor, "job.cancel", job_id)
        return view_of(session, job, context.settings)


@router.post(
    "/jobs/{job_id}/retry",
    summary="Retry a failed or cancelled job",
    response_model=JobView,
    responses=problems(404, 409),
)
def retry_job(job_id: JobId, caller: Submitter, context: ContextDep) -> Response:
    """It goes on from its last checkpoint; attempts count from 0, and all events are kept."""
    with context.writing() as session:
        job = store.retry(session, job_id, caller.owner, limits=context.settings.owner_limits)
        note(session, caller.actor, "job.retry", job_id)
        view = view_of(session, job, context.settings)
    return json_of(view, background=context.notify_workers(job_id))


@router.patch(
    "/jobs/{job_id}",
    summary="Change a job's priority",
    response_model=JobView,
    responses=problems(400, 404, 409, 413, 415),
    openapi_extra=json_body((JobChange,), CHANGES),
)
def change_job(job_id: JobId, caller: Submitter, body: ShortBody, context: ContextDep) -> Response:
    """Of a job of yours that is queued or running; of a running one it counts once it is queued again.

    Owners take turns whatever the priorities of their jobs are.
    """
    wanted = parse(JobChange, body, SMALL)
    with context.writing() as session:
        job = store.set_priority(session, job_id, caller.owner, wanted.priority)
        note(session, caller.actor, "job.priority", job_id, priority=wanted.priority)
        view = view_of(session, job, context.settings)
    return json_of(view)


@router.delete(
    "/jobs/{job_id}",
    status_code=204,
    summary="Delete a job that has ended",
    responses=problems(404, 409),
)
def delete_job(job_id: JobId, caller: CallerDep, context: ContextDep) -> None:
    """Gone, with its report, files, events, log and shares; links to it and its Idempotency-Key end.

    Not while it is queued or running, nor while a job that is to measure its network has not ended. Teachers
    and other stages that it has computed stay for your later jobs. An operator may delete anybody's.
    """
    owner = None if caller.is_operator else caller.demand("submitter").owner
    with context.writing() as session:
        of = store.delete_job(session, job_id, owner, deleted_by=caller.owner, key_id=caller.key_id)
        note(session, caller.actor, "job.delete", job_id, of=of)
    log.info("job %s was deleted by %s", job_id, caller.owner)
    try:
        artifact_store(context.settings).delete(job_id)
    except OSError as error:
        log.warning("files of the deleted job %s are left for `python -m jobs prune`: %s", job_id, error)
