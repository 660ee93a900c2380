"""A real application on a real, migrated database; jobs are moved along by the store itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from api.main import create_app
from cartl_core.events import ArtifactWritten, Event, StageFinished
from jobs import store
from jobs.database.engine import transaction
from jobs.devices import ONE_CPU, slots_on
from jobs.files.stores import artifact_store
from jobs.settings import Settings
from jobs.store import Claim, tasks
from jobs.store.rights.keys import Role, make_key
from tests.factories import SMALL, claim_job


@pytest.fixture
def backend() -> str:
    """SQLite, unless a module asks for more."""
    return "sqlite"


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """The application without keys, asked from this machine."""
    with local_client(settings) as found:
        yield found


def local_client(settings: Settings, **options: Any) -> TestClient:
    return TestClient(
        create_app(settings), base_url="http://127.0.0.1:8000", client=("127.0.0.1", 50000), **options
    )


@pytest.fixture
def small() -> dict[str, Any]:
    """A job that resolves, as small as they come."""
    return dict(SMALL)


@pytest.fixture
def new_key(factory: sessionmaker[Session]) -> Callable[..., dict[str, str]]:
    """Headers with a fresh key."""

    def make(owner: str = "ada", role: Role = "submitter", **options: Any) -> dict[str, str]:
        secret, row = make_key(owner, "test", role, **options)
        with transaction(factory) as session:
            session.add(row)
        return {"Authorization": f"Bearer {secret}"}

    return make


@dataclass
class Worker:
    """What a worker would tell the record, told by the test."""

    factory: sessionmaker[Session]
    settings: Settings
    claims: dict[str, Claim] = field(default_factory=dict)

    def claim(self) -> Claim:
        return claim_job(self.factory, "w1")

    def tell(self, claim: Claim, *events: Event) -> None:
        with transaction(self.factory) as session:
            for event in events:
                store.record(session, claim, event)

    def complete(self, claim: Claim) -> None:
        with transaction(self.factory) as session:
            store.complete(session, claim)

    def fail(self, claim: Claim, reason: str, message: str) -> None:
        with transaction(self.factory) as session:
            store.fail(session, claim, reason, message)

    def write(self, claim: Claim, name: str, content: bytes, media_type: str) -> Path:
        key = f"{claim.job_id}/{claim.token}/{name}"
        kept = artifact_store(self.settings).put(key, content)
        event = ArtifactWritten(name=name, path=name, media_type=media_type)
        with transaction(self.factory) as session:
            store.record_artifact(
                session,
                claim,
                event,
                path=key,
                size=kept.size,
                sha256=kept.sha256,
            )
        return self.settings.artifacts_dir / key


@pytest.fixture
def worker(factory: sessionmaker[Session], settings: Settings, engine: Engine) -> Worker:
    return Worker(factory, settings)


@pytest.fixture
def busy(client: TestClient, small: dict[str, Any], worker: Worker) -> TestClient:
    """One job running with a stage behind it, one lost once and queued, one more queued; and two tasks."""
    for _ in range(3):
        client.post("/jobs", json=small)
    claim, lost = worker.claim(), worker.claim()
    for seconds in (2.0, 4.0, 9.0):
        worker.tell(
            claim, StageFinished(stage="pretrain", label="x", digest="d", reused=False, seconds=seconds)
        )
    with transaction(worker.factory) as session:
        store.requeue_after_crash(session, lost)
        store.worker_started(
            session, worker_id="w1", host="h", pid=1, slots=slots_on(ONE_CPU, 2), version="0"
        )
        for parent in ("p1", "p2"):
            tasks.add_task(session, "check_dataset", parent, "ann")
        tasks.claim_task(session, "w1", 45.0, kinds=("check_dataset",))
    return client
