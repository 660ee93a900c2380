"""May requests be sent here? The database, its migrations, the broker, the disks and the object store."""

from __future__ import annotations

from typing import Literal

from celery import Celery
from pydantic import Field
from sqlalchemy import Engine

from api.http.problems import Problem
from api.schemas import View
from jobs.database.engine import check
from jobs.errors import DatabaseMismatch
from jobs.files.space import space_left
from jobs.files.store_probe import StoreProbe
from jobs.queue import broker_answers
from jobs.settings import Settings

READINESS_SECONDS = 1.0
BROKER_AWAY = "the broker does not answer; jobs are taken, and start when a worker's maintenance finds them"


class Readiness(View):
    """May requests be sent here? `degraded` still takes jobs; `message` says what is missing."""

    status: Literal["ready", "degraded"]
    database: Literal["ok", "newer"] = Field(
        description="`newer`: a newer version has migrated it, and lets this one go on."
    )
    broker: Literal["ok", "away"]
    storage: Literal["ok", "low", "away"] = Field(
        description="`low`: too little room for uploads; `away`: the object store does not answer."
    )
    message: str | None = Field(default=None, description="What to do about it, or what is under way.")


def readiness(engine: Engine, celery: Celery, settings: Settings, store: StoreProbe) -> Readiness | Problem:
    """How it is now; a problem when no request can be served.

    Raises:
        OperationalError: the database does not answer.
    """
    space = space_left(settings)
    if space.full:
        return Problem("not-ready", f"The disk is full: no room for {', '.join(space.full)}.")
    try:
        standing = check(engine)
    except DatabaseMismatch as error:
        return Problem("not-ready", str(error))
    broker = broker_answers(celery)
    away = store.trouble()
    missing = [
        *(() if broker else (BROKER_AWAY,)),
        *(
            (f"little room is left for {', '.join(space.low)}; see `python -m jobs prune`",)
            if space.low
            else ()
        ),
        *((f"{away}; files can be neither sent nor read until it answers",) if away else ()),
    ]
    under_way = [f"the database is {standing.words}"] if standing.is_newer else []
    return Readiness(
        status="degraded" if missing else "ready",
        database="newer" if standing.is_newer else "ok",
        broker="ok" if broker else "away",
        storage="away" if away else "low" if space.low else "ok",
        message="; ".join([*missing, *under_way]) or None,
    )
