"""The bare service: the same three routes, tables, engine and server, and nothing else.

What nobody could leave out: a body parsed as JSON, one transaction with the same two inserts, one row read
by its id, an answer of the same kind written as JSON. No keys, no validation, no limits, no estimate, no
place in the queue, no notification, no problem+json.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

import uvicorn
from fastapi import FastAPI
from sqlalchemy.orm import Session

from api.serving.server import configuration
from benchmarks.load.record import COST, REQUEST
from cartl_core.planning.resolve import resolve
from cartl_core.spec import digest
from jobs.database.engine import make_engine, session_factory
from jobs.settings import Settings
from jobs.state import JobState
from jobs.store.submit import new_id
from jobs.tables import Job, JobEvent

SPEC = resolve(REQUEST)
SPEC_JSON = SPEC.model_dump(mode="json")
SPEC_DIGEST = digest(SPEC)
SHOWN = [column.name for column in Job.__table__.columns if column.name not in ("request", "report")]


def create_app(settings: Settings) -> FastAPI:
    """The bare service on the database of ``settings``."""
    app = FastAPI()
    sessions = session_factory(make_engine(settings))

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/jobs", status_code=201)
    def create_job(body: dict[str, Any]) -> dict[str, Any]:
        with sessions.begin() as session:
            job = _insert(session, body)
            return _shown(job)

    @app.get("/jobs/{job_id}")
    def get_job(job_id: str) -> dict[str, Any]:
        with sessions() as session:
            return _shown(session.get_one(Job, job_id))

    @app.get("/jobs/{job_id}/robustness")
    def get_robustness(job_id: str) -> dict[str, Any]:
        with sessions() as session:
            return session.get_one(Job, job_id).report or {}

    return app


def _insert(session: Session, body: dict[str, Any]) -> Job:
    job = Job(
        id=new_id(),
        owner_id="local",
        name=body.get("name"),
        tags=body.get("tags", []),
        dataset=body["dataset"],
        method="cartl",
        freeze_depth=body["freeze_depth"],
        state=JobState.QUEUED,
        request=body,
        spec=SPEC_JSON,
        spec_digest=SPEC_DIGEST,
        estimate=COST,
        max_attempts=3,
        event_count=1,
    )
    session.add(job)
    session.flush()
    body_of_event = {"spec_digest": SPEC_DIGEST}
    session.add(JobEvent(job_id=job.id, number=1, type="submitted", attempt=1, body=body_of_event))
    session.flush()
    return job


def _shown(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in SHOWN}


if __name__ == "__main__":
    chosen = Settings.from_env()
    with suppress(KeyboardInterrupt):
        uvicorn.Server(configuration(create_app(chosen), chosen)).run()
    sys.exit(0)
