"""Jobs: submit, list, look."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session
from starlette.background import BackgroundTask

from api.data_view import data_of
from api.deps import (
    ContextDep,
    JobId,
    Reader,
    ReadRequestDep,
    SubmitRequestDep,
)
from api.http.idempotency import created, idempotency_key
from api.http.paging import Cursor, Limit, bad_cursor, check_limit
from api.http.patterns import SWEEP
from api.openapi import EXAMPLES, json_body, problems
from api.schemas import DryRun, JobBrief, JobView, Page, View
from api.submission import Submission, submission_of
from cartl_core.spec import JobRequest, MethodOrAuto, digest
from cartl_core.spec.data_and_model import TAG, DataName
from cartl_core.spec.existing_network import EvaluateJobRequest
from jobs import store
from jobs.errors import BadCursor
from jobs.settings import Settings
from jobs.state import JobState
from jobs.store.rights.audit import note
from jobs.tables import Job

router = APIRouter(tags=["jobs"])

IdempotencyKey = Annotated[str | None, idempotency_key("job")]
DryRunFlag = Annotated[
    bool, Query(description="Answer with the resolved spec and the estimate; store nothing.")
]
Tag = Annotated[str | None, Query(max_length=64, pattern=TAG)]
SweepFilter = Annotated[str | None, Query(pattern=SWEEP, max_length=64, description="Jobs of this sweep.")]

CREATED = created("job", "The job is queued", "DryRun", "JobView")


@router.post(
    "/jobs",
    status_code=201,
    summary="Submit a job",
    response_model=JobView,
    responses={**problems(400, 409, 413, 415), **CREATED},
    openapi_extra=json_body((JobRequest, EvaluateJobRequest), EXAMPLES),
)
def create_job(
    request: SubmitRequestDep,
    dry_run: DryRunFlag = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Only `dataset` and `freeze_depth` are needed; everything else comes from the preset.

    With `kind: evaluate` nothing is trained: a `network` that exists is measured on the data set, and the
    report has its figures alone.

    With `method: auto`, `freeze_depth: auto` or both the run tries a small, stated set of candidates, plain
    transfer at every depth among them, and takes the most robust one that is clean enough and surely ahead of
    plain transfer, or plain transfer, by validation images alone; `auto` says how. The answer lists the
    candidates, the report has what became of each.

    The answer shows the whole resolved specification and what the run will cost. Nothing is left to the
    machine but what `runtime` will say. `data` tells of each data set whether its files are there, will be
    downloaded, or are missing: a job whose source nobody named has one all the same.
    """
    context, (caller, body) = request.context, request.open()
    submission = submission_of(
        body,
        context.settings,
        lambda ref: request.find_network(ref, caller.owner),
        request.lookup(caller.owner),
        context.rates.measured(),
    )
    if dry_run:
        return json_of(dry_run_of(submission, context.settings))
    with context.writing() as session:
        made = _made_before(session, submission, caller.owner, idempotency_key)
        if made is not None:
            view = view_of(session, made, context.settings)
            return json_of(view, headers={"Location": view.links.self, "Idempotent-Replay": "true"})
        context.quota.take(session, caller.owner)
        job, place = store.enqueue(
            session,
            request=submission.request,
            spec=submission.spec,
            estimate=submission.estimate,
            owner=caller.owner,
            priority=submission.request.priority,
            max_attempts=context.settings.max_attempts,
        )
        note(session, caller.actor, "job.submit", job.id)
        if idempotency_key is not None:
            store.remember(
                session,
                owner=caller.owner,
                key=idempotency_key,
                body_digest=submission.body_digest,
                job=job,
            )
    view = JobView.whole(job, place, context.settings)
    return json_of(
        view, status=201, headers={"Location": view.links.self}, background=context.notify_workers(view.id)
    )


def _made_before(session: Session, submission: Submission, owner: str, key: str | None) -> Job | None:
    """The job that the key stands for."""
    if key is None:
        return None
    return store.replayed(session, owner=owner, key=key, body_digest=submission.body_digest)


def dry_run_of(submission: Submission, settings: Settings) -> DryRun:
    """What a submission would become, and cost; nothing is stored."""
    spec = submission.spec.model_dump(mode="json")
    return DryRun.model_validate(
        {
            "spec": spec,
            "spec_digest": digest(submission.spec),
            "estimate": submission.estimate,
            "data": data_of(spec, settings),
        }
    )


def json_of(
    value: View,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    background: BackgroundTask | None = None,
) -> Response:
    """``value`` as JSON, written once: the framework would validate and copy it first."""
    return Response(value.model_dump_json(), status, headers, "application/json", background)


def view_of(session: Session, job: Job, settings: Settings) -> JobView:
    """All that a person may know of a job."""
    return JobView.whole(job, store.queue_position(session, job), settings, store.pace_of(session, job))


@router.get("/jobs", summary="List jobs, newest first", responses=problems())
def list_jobs(
    caller: Reader,
    context: ContextDep,
    state: JobState | None = None,
    dataset: DataName | None = None,
    method: MethodOrAuto | None = None,
    tag: Tag = None,
    sweep: SweepFilter = None,
    shared: Annotated[bool, Query(description="Those that others share with you, instead of yours.")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[JobBrief]:
    """Your jobs, or those shared with you, a page at a time. Pages do not shift while jobs are added."""
    check_limit(limit, context.settings)
    try:
        with context.reading() as session:
            jobs, next_cursor = store.list_jobs(
                session,
                caller.owner,
                state=state,
                dataset=dataset,
                method=method,
                tag=tag,
                sweep=sweep,
                shared=shared,
                cursor=cursor,
                limit=limit,
            )
            paces = store.paces_of(session, jobs)
    except BadCursor as error:
        raise bad_cursor(error) from error
    return Page(data=[JobBrief.of(job, paces.get(job.id)) for job in jobs], next_cursor=next_cursor)


@router.get("/jobs/{job_id}", summary="One job", response_model=JobView, responses=problems(404))
def get_job(job_id: JobId, request: ReadRequestDep) -> Response:
    """Where the job is, what it runs, how long it will take."""
    with request.reading() as (session, caller):
        view = view_of(session, store.overview(session, job_id, caller.owner), request.context.settings)
    return json_of(view)
