"""An Idempotency-Key that is in flight, and one that many use at once: the same answers on both databases."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from api.submission import prepare
from jobs import store
from jobs.database.engine import transaction
from jobs.settings import Settings
from jobs.store.rights.keys import LOCAL_OWNER
from tests.factories import add_job

KEY = {"Idempotency-Key": "k"}
# SQLite would let a request wait for as long as half a minute.
AT_ONCE_SECONDS = 20.0


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@contextmanager
def under_way(factory: sessionmaker[Session], settings: Settings, body: dict[str, Any]) -> Iterator[str]:
    """A request with the key that has written its job and not yet committed; yields the job's id."""
    asked = prepare(body, settings)
    with transaction(factory) as session:
        before = store.replayed(session, owner=LOCAL_OWNER, key="k", body_digest=asked.body_digest)
        assert before is None
        job = add_job(session, LOCAL_OWNER, request=asked.request, spec=asked.spec, estimate=asked.estimate)
        store.remember(session, owner=LOCAL_OWNER, key="k", body_digest=asked.body_digest, job=job)
        yield job.id


def test_in_flight_is_409_and_then_the_same_job(
    client: TestClient, factory: sessionmaker[Session], settings: Settings, small: dict[str, Any]
) -> None:
    with under_way(factory, settings, small) as job_id:
        began = time.monotonic()
        answers = [client.post("/jobs", json=small | more, headers=KEY) for more in ({}, {"freeze_depth": 3})]
        assert time.monotonic() - began < AT_ONCE_SECONDS
    for answer in answers:
        assert answer.status_code == 409
        assert answer.json()["type"] == "/problems/in-flight"
        assert answer.headers["retry-after"] == "1"
    again = client.post("/jobs", json=small, headers=KEY)
    assert (again.status_code, again.json()["id"]) == (200, job_id)
    assert again.headers["idempotent-replay"] == "true"
    assert client.post("/jobs", json=small | {"freeze_depth": 3}, headers=KEY).status_code == 422
    assert len(client.get("/jobs").json()["data"]) == 1


def test_a_request_that_fails_sets_its_key_free(
    client: TestClient, factory: sessionmaker[Session], settings: Settings, small: dict[str, Any]
) -> None:
    with pytest.raises(ZeroDivisionError), under_way(factory, settings, small):
        raise ZeroDivisionError
    assert client.post("/jobs", json=small, headers=KEY).status_code == 201


@pytest.mark.parametrize("backend", ["postgresql"])
def test_a_key_is_held_for_its_owner_alone(
    client: TestClient,
    factory: sessionmaker[Session],
    settings: Settings,
    small: dict[str, Any],
    new_key: Any,
) -> None:
    """On PostgreSQL, where another owner's request need not wait for the first one's commit."""
    ann = {**new_key("ann"), **KEY}
    with under_way(factory, settings, small):
        assert client.post("/jobs", json=small, headers=ann).status_code == 201


def test_many_at_once_make_one_job(client: TestClient, small: dict[str, Any]) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: client.post("/jobs", json=small, headers=KEY), range(18)))
    seen = Counter(answer.status_code for answer in answers)
    assert seen[201] == 1
    assert set(seen) <= {200, 201, 409}
    made = {answer.json()["id"] for answer in answers if answer.status_code != 409}
    assert len(made) == len(client.get("/jobs").json()["data"]) == 1
