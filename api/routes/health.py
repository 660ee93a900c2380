"""Is it alive, is it ready, how is the queue: for probes, load balancers and Prometheus."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError

from api.deps import Door, DoorDep, Reader
from api.metrics import exposition
from api.openapi import problems
from api.schemas import View
from jobs.database import check
from jobs.errors import DatabaseBehind
from jobs.queue import broker_answers

router = APIRouter(tags=["health"])

State = Literal["ready", "degraded", "not ready"]


class Health(View):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Readiness(View):
    """May requests be sent here? `degraded` still takes jobs: they start when the broker is back."""

    status: State
    database: Literal["ok", "away", "needs migration"]
    broker: Literal["ok", "away"]
    message: str | None = Field(default=None, description="What to do about it.")


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> Health:
    """Answers without asking anything else."""
    return Health()


@router.get(
    "/readyz",
    summary="Can it do its work?",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "The database is away, or lacks migrations"}},
)
def readyz(parts: DoorDep) -> Response:
    """Looks at the database, its migrations and the broker."""
    found = _readiness(parts)
    return JSONResponse(
        found.model_dump(mode="json"),
        status_code=503 if found.status == "not ready" else 200,
        headers={"Cache-Control": "no-store"},
    )


def _readiness(parts: Door) -> Readiness:
    broker: Literal["ok", "away"] = "ok" if broker_answers(parts.bells) else "away"
    try:
        check(parts.engine)
    except DatabaseBehind as error:
        return Readiness(status="not ready", database="needs migration", broker=broker, message=str(error))
    except SQLAlchemyError:
        return Readiness(
            status="not ready", database="away", broker=broker, message="the database does not answer"
        )
    if broker == "away":
        words = "the broker does not answer; jobs are taken and start when the sweeper finds them"
        return Readiness(status="degraded", database="ok", broker="away", message=words)
    return Readiness(status="ready", database="ok", broker="ok")


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=PlainTextResponse,
    responses=problems(),
)
def get_metrics(caller: Reader, parts: DoorDep) -> Response:
    """Queue depth, age of the oldest queued job, workers; over all owners, without names."""
    with parts.reading() as session:
        body, media_type = exposition(session)
    return Response(body, media_type=media_type, headers={"Cache-Control": "no-store"})
