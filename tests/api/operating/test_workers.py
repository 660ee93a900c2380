"""The list of workers: their slots, the device of each, and whose job runs there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database.dialect import FromNow
from jobs.database.engine import transaction
from jobs.settings import Settings
from jobs.tables import Worker
from tests.factories import submit_job

SLOTS = Settings(devices="cuda:0,cuda:1").worker_slots


def start(factory: sessionmaker[Session], *names: str) -> None:
    for name in names:
        with transaction(factory) as session:
            store.worker_started(session, worker_id=name, host="h", pid=1, slots=SLOTS, version="0")


def test_a_slot_is_busy_while_its_job_runs_and_names_only_ones_own(
    client: TestClient, new_key: Callable[..., dict[str, str]], factory: sessionmaker[Session]
) -> None:
    ada, eve = new_key("ada", "viewer"), new_key("eve", "viewer")
    job_id = submit_job(factory, "ada")
    start(factory, "w1")
    with transaction(factory) as session:
        claim = store.claim(session, worker_id="w1", lease_seconds=45, slot=SLOTS[1])
    assert claim is not None and (claim.job_id, claim.device) == (job_id, "cuda:1")

    def slots(key: dict[str, str]) -> list[dict[str, Any]]:
        (worker,) = client.get("/workers", headers=key).json()["data"]
        listed: list[dict[str, Any]] = worker["slots"]
        return listed

    idle = {"number": 0, "device": "cuda:0", "busy": False, "job": None}
    assert slots(ada) == [idle, {"number": 1, "device": "cuda:1", "busy": True, "job": job_id}]
    assert slots(eve) == [idle, {"number": 1, "device": "cuda:1", "busy": True, "job": None}]
    (claimed,) = [
        event
        for event in client.get(f"/jobs/{job_id}/events", headers=ada).json()["data"]
        if event["type"] == "claimed"
    ]
    assert claimed["body"] == {"worker": "w1", "device": "cuda:1"}
    told = client.get("/metrics", headers=ada).text.splitlines()
    assert 'cartl_device_slots{device="cuda:1",state="busy"} 1.0' in told
    assert 'cartl_device_slots{device="cuda:0",state="idle"} 1.0' in told
    with transaction(factory) as session:
        store.release(session, claim)
    assert [slot["busy"] for slot in slots(ada)] == [False, False]


def test_workers_come_page_by_page_and_the_silent_not_at_all(
    client: TestClient, factory: sessionmaker[Session]
) -> None:
    start(factory, "a", "b", "c", "silent")
    with transaction(factory) as session:
        long_ago = update(Worker).where(Worker.id == "silent").values(heartbeat_at=FromNow(-3600))
        session.execute(long_ago.execution_options(synchronize_session=False))
    first = client.get("/workers", params={"limit": 2}).json()
    rest = client.get("/workers", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [worker["id"] for worker in (*first["data"], *rest["data"])] == ["c", "b", "a"]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("limit", "100000"), ("cursor", "nonsense")])
def test_what_is_no_page_of_workers_is_refused(client: TestClient, name: str, value: str) -> None:
    answer = client.get("/workers", params={name: value})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [name]
