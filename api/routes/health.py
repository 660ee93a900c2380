"""Is it alive, is it ready, how is the queue: for probes, load balancers and Prometheus."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from pydantic import Field

from api.deps import ContextDep, Reader
from api.http.problems import Problem
from api.metrics import exposition
from api.openapi import problems, problems_only
from api.schemas import View
from jobs.database.engine import check
from jobs.errors import DatabaseMismatch
from jobs.queue import broker_answers

router = APIRouter(tags=["health"])

State = Literal["ready", "degraded"]


class Health(View):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Readiness(View):
    """May requests be sent here? `degraded` still takes jobs: they start when the broker is back."""

    status: State
    database: Literal["ok"] = "ok"
    broker: Literal["ok", "away"]
    message: str | None = Field(default=None, description="What to do about it.")


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> Health:
    """Answers without asking anything else."""
    return Health()


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    summary="Can it do its work?",
    responses=problems_only(503),
)
def readyz(context: ContextDep, response: Response) -> Readiness:
    """Looks at the database, its migrations and the broker; 503 when no request can be served."""
    response.headers["Cache-Control"] = "no-store"
    try:
        check(context.engine)
    except DatabaseMismatch as error:
        raise Problem("not-ready", str(error)) from error
    if broker_answers(context.celery):
        return Readiness(status="ready", broker="ok")
    words = "the broker does not answer; jobs are taken, and start when the sweeper finds them"
    return Readiness(status="degraded", broker="away", message=words)


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=PlainTextResponse,
    responses=problems(),
)
def get_prometheus(caller: Reader, context: ContextDep) -> Response:
    """Queue, claims, recoveries, workers, stages, broker; over all owners, without names."""
    broker = broker_answers(context.celery)
    with context.reading() as session:
        body, media_type = exposition(session, broker_answers=broker)
    return Response(body, media_type=media_type, headers={"Cache-Control": "no-store"})
