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
from cartl_core.events import ArtifactWritten, Event
from jobs import store
from jobs.database.engine import transaction
from jobs.files.stores import artifact_store
from jobs.settings import Settings
from jobs.store import Claim
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
