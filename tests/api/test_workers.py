"""The list of workers: those that are heard of, with what they do."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import update

from jobs import store
from jobs.database.dialect import FromNow
from jobs.database.engine import transaction
from jobs.tables import Worker


def test_workers_that_are_heard_of_are_listed_with_their_jobs(
    client: TestClient, small: dict[str, Any], worker: Any
) -> None:
    assert client.get("/workers").json() == {"data": []}
    client.post("/jobs", json=small)
    worker.claim()
    with transaction(worker.factory) as session:
        for name in ("w1", "lost"):
            store.worker_started(session, worker_id=name, host="h", pid=1, slots=2, version="0")
        session.execute(update(Worker).where(Worker.id == "lost").values(heartbeat_at=FromNow(-9_999)))
    (row,) = client.get("/workers").json()["data"]
    assert (row["id"], row["host"], row["slots"], row["running"]) == ("w1", "h", 2, 1)
