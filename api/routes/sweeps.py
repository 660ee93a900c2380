"""Sweeps: submit many jobs as one, list, look at the table, cancel."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.background import BackgroundTasks

from api.data_view import data_of_all
from api.deps import (
    EXAMPLE_ID,
    JOB_ID,
    AppContext,
    ContextDep,
    Reader,
    ReadRequestDep,
    SubmitRequestDep,
    Submitter,
)
from api.http.idempotency import created, idempotency_key
from api.http.negotiate import choose
from api.http.paging import Cursor, Limit, bad_cursor, check_limit
from api.http.problems import Problem
from api.openapi import SWEEP_EXAMPLES, json_body, problems
from api.routes.jobs import DryRunFlag
from api.schemas import EstimateView, Page
from api.sweep_submission import SweepSubmission, sweep_of
from api.sweep_views import SweepBrief, SweepDryRun, SweepView
from cartl_core.render.markdown.sweep import render_sweep
from cartl_core.spec.sweep import SweepRequest
from jobs import store
from jobs.errors import BadCursor
from jobs.settings import Settings
from jobs.store.rights.audit import note
from jobs.store.sweeps import (
    cancel_sweep,
    find_sweep,
    list_sweeps,
    states_of,
    submit_sweep,
    table_of,
)
from jobs.tables import Job, Sweep

router = APIRouter(tags=["sweeps"])

JSON = "application/json"
MARKDOWN = "text/markdown"
NAMES_DATA = {"source", "dataset", "further"}
"""Fields of a specification that name data sets."""
FRESH = {"Cache-Control": "no-store"}

IdempotencyKey = Annotated[str | None, idempotency_key("sweep")]


async def get_sweep_id(
    sweep_id: Annotated[str, Path(description="The sweep's id.", examples=[EXAMPLE_ID])],
) -> str:
    """A sweep's id; what cannot be one is not asked of the database."""
    if not JOB_ID.fullmatch(sweep_id):
        raise Problem("not-found", "There is no such sweep.")
    return sweep_id


SweepId = Annotated[str, Depends(get_sweep_id)]

CREATED = created("sweep", "The jobs are queued", "SweepDryRun", "SweepView")


@router.post(
    "/sweeps",
    status_code=201,
    summary="Submit a sweep",
    response_model=SweepView,
    responses={**problems(400, 409, 413, 415), **CREATED},
    openapi_extra=json_body((SweepRequest,), SWEEP_EXAMPLES),
)
def create_sweep(
    request: SubmitRequestDep,
    dry_run: DryRunFlag = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """One job (`base`), and what is varied of it (`grid`): every combination becomes a job, or none does.

    A value that a method does not use is left out for that method, and what is the same job then is made
    once. Jobs share teachers as all jobs of one owner do; with `"pretrain": {"fdm_layers": "every"}` the
    teacher of CARTL serves every freeze depth. Each job is an ordinary one, which can be seen, cancelled and
    retried by itself.
    """
    context, (caller, body) = request.context, request.open()
    submission = sweep_of(body, context.settings, request.lookup(caller.owner), context.rates.measured())
    if dry_run:
        return _json(_dry_run(submission, context.settings))
    with context.writing() as session:
        made = _made_before(session, submission, caller.owner, idempotency_key)
        if made is not None:
            view = _view(session, made)
            return _json(view, headers={"Location": view.links.self, "Idempotent-Replay": "true"})
        sweep, jobs = submit_sweep(
            session,
            request=submission.request,
            planned=submission.planned,
            owner=caller.owner,
            max_attempts=context.settings.max_attempts,
            limits=context.settings.owner_limits,
        )
        note(session, caller.actor, "sweep.submit", sweep.id, jobs=[job.id for job in jobs])
        if idempotency_key is not None:
            store.remember(
                session,
                owner=caller.owner,
                key=idempotency_key,
                body_digest=submission.body_digest,
                job=jobs[0],
            )
        view = _view(session, sweep)
    return _json(
        view, status=201, headers={"Location": view.links.self}, background=_notifications(context, jobs)
    )


def _made_before(session: Session, submission: SweepSubmission, owner: str, key: str | None) -> Sweep | None:
    """The sweep of the job that the key stands for: its first one."""
    if key is None:
        return None
    job = store.replayed(session, owner=owner, key=key, body_digest=submission.body_digest)
    if job is None:
        return None
    assert job.sweep_id is not None, "no other body has the digest of a sweep's"
    return find_sweep(session, job.sweep_id, owner)


def _notifications(context: AppContext, jobs: list[Job]) -> BackgroundTasks:
    """A notification for each job, as long as they are not a flood: idle slots start at once."""
    tasks = (context.notify_workers(job.id) for job in jobs)
    return BackgroundTasks([task for task in tasks if task is not None])


def _dry_run(submission: SweepSubmission, settings: Settings) -> SweepDryRun:
    specs = (one.spec.model_dump(mode="json", include=NAMES_DATA) for one in submission.planned)
    return SweepDryRun(
        combinations=submission.request.grid.combinations,
        jobs=len(submission.planned),
        teachers=submission.estimate["teachers"],
        estimate=EstimateView(**submission.estimate),
        data=data_of_all(specs, settings),
    )


def _json(
    value: BaseModel,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    background: BackgroundTasks | None = None,
) -> Response:
    return Response(value.model_dump_json(), status, headers, JSON, background)


def _view(session: Session, sweep: Sweep) -> SweepView:
    return SweepView.whole(sweep, states_of(session, [sweep.id])[sweep.id], table_of(session, sweep))


@router.get("/sweeps", summary="List sweeps, newest first", responses=problems())
def get_sweeps(
    caller: Reader, context: ContextDep, cursor: Cursor = None, limit: Limit = 50
) -> Page[SweepBrief]:
    """Your sweeps, a page at a time, with the states of their jobs."""
    check_limit(limit, context.settings)
    try:
        with context.reading() as session:
            sweeps, next_cursor = list_sweeps(session, caller.owner, cursor=cursor, limit=limit)
            states = states_of(session, [sweep.id for sweep in sweeps])
    except BadCursor as error:
        raise bad_cursor(error) from error
    return Page(data=[SweepBrief.of(sweep, states[sweep.id]) for sweep in sweeps], next_cursor=next_cursor)


@router.get(
    "/sweeps/{sweep_id}",
    summary="One sweep, with its table",
    response_model=SweepView,
    responses={
        **problems(404, 406),
        200: {"description": "The sweep", "content": {MARKDOWN: {"schema": {"type": "string"}}}},
    },
)
def get_sweep(sweep_id: SweepId, request: ReadRequestDep) -> Response:
    """Where its jobs are, and a row for each setting over its seeds. `Accept: text/markdown` gives the table.

    What is best and what lies on the Pareto front is chosen by figures on validation images alone. Test
    figures are shown of these settings only, once all jobs have ended.
    """
    with request.reading() as (session, caller):
        kind = choose(request.http.headers.get("accept"), (JSON, MARKDOWN))
        view = _view(session, find_sweep(session, sweep_id, caller.owner))
    if kind == JSON:
        return _json(view, headers=FRESH)
    return PlainTextResponse(render_sweep(view.table, view.name), media_type=MARKDOWN, headers=FRESH)


@router.post(
    "/sweeps/{sweep_id}/cancel",
    summary="Cancel all jobs of a sweep",
    response_model=SweepView,
    responses=problems(404),
)
def cancel_all(sweep_id: SweepId, caller: Submitter, context: ContextDep) -> SweepView:
    """Queued jobs end at once, running ones when their workers have stopped them; what has ended stays."""
    with context.writing() as session:
        sweep = cancel_sweep(session, sweep_id, caller.owner)
        note(session, caller.actor, "sweep.cancel", sweep_id)
        return _view(session, sweep)
