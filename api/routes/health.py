"""Is it alive, is it ready, how is the queue: for probes, load balancers and Prometheus."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from api.deps import ContextDep, Reader
from api.http.problems import Problem
from api.metrics import exposition
from api.openapi import problems, problems_only
from api.readiness import Readiness
from api.schemas import View
from jobs.files.space import space_left
from jobs.queue import broker_answers

router = APIRouter(tags=["health"])


class Health(View):
    """The process answers."""

    status: Literal["alive"] = "alive"


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
async def readyz(context: ContextDep, response: Response) -> Readiness:
    """Looks at database, migrations, broker, disks and object store; 503 when no request can be served.

    It looks once a second at most (at the object store every ten seconds), however often it is asked.
    """
    response.headers["Cache-Control"] = "no-store"
    found = await context.readiness.get()
    if isinstance(found, Problem):
        # Raised anew for each request: a raised error collects what it passes through.
        raise Problem(found.kind.name, found.detail)
    return found


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
        body, media_type = exposition(
            session,
            limits=context.settings.owner_limits,
            broker_answers=broker,
            free_bytes=space_left(context.settings).free,
        )
    return Response(body, media_type=media_type, headers={"Cache-Control": "no-store"})
