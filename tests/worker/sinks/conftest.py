"""A sink's process as far as its loop goes: settings, sessions, and a worker that is told to end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.events import ArtifactWritten, AttackFinished, EpochFinished, Event
from jobs import store
from jobs.database.dialect import FromNow
from jobs.database.engine import transaction
from jobs.files.artifacts import output_directory, relative_path
from jobs.files.stores import artifact_store
from jobs.settings import Settings
from jobs.store import Claim
from jobs.store.tracked_jobs import follow
from jobs.tables import TrackedJob
from tests.factories import claim_job
from tests.fixtures.reports import attack_of
from tests.fixtures.workers import Record
from tests.worker.sinks.receiver import Receiver, receiving
from worker.sinks.tracking import SinkContext


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def make_context(quick: Settings, factory: sessionmaker[Session]) -> Iterator[Callable[..., SinkContext]]:
    """A context with changed settings; all that it made shut down when the test ends."""
    ended = threading.Event()

    def make(worker_id: str = "w1", **changed: Any) -> SinkContext:
        return SinkContext(quick.model_copy(update=changed), factory, worker_id, ended.is_set)

    yield make
    ended.set()


@dataclass
class Story:
    """A job that is claimed and followed, moved along by a test."""

    factory: sessionmaker[Session]
    settings: Settings
    trackers: tuple[str, ...]
    name: str
    claim: Claim = field(init=False)

    def __post_init__(self) -> None:
        Record(self.factory).submit(name=self.name, tags=["night"])
        self.begin()

    @property
    def job_id(self) -> str:
        return self.claim.job_id

    def begin(self) -> None:
        self.claim = claim_job(self.factory)
        with transaction(self.factory) as session:
            follow(session, self.job_id, self.trackers)

    def tell(self, *events: Event) -> None:
        with transaction(self.factory) as session:
            for event in events:
                store.record(session, self.claim, event)

    def epochs(self, *numbers: int) -> None:
        for number in numbers:
            metrics = {"loss": 1 / number, "robust_accuracy": 0.1 * number, "bad": float("nan")}
            self.tell(
                EpochFinished(
                    stage="pretrain",
                    label="teacher (fdm)",
                    digest="d",
                    epoch=number,
                    epochs=3,
                    metrics=metrics,
                )
            )

    def attack(self) -> None:
        self.tell(AttackFinished(subject="student", result=attack_of(30, 40)))

    def write(self, name: str, content: bytes) -> None:
        path = output_directory(self.settings, self.job_id, self.claim.token) / name
        path.write_bytes(content)
        key = relative_path(self.settings, path)
        kept = artifact_store(self.settings).stat(key)
        told = ArtifactWritten(name=name, path=name, media_type="text/plain")
        with transaction(self.factory) as session:
            store.record_artifact(session, self.claim, told, path=key, size=kept.size, sha256=kept.sha256)

    def complete(self) -> None:
        with transaction(self.factory) as session:
            store.complete(session, self.claim)

    def fail(self) -> None:
        with transaction(self.factory) as session:
            store.fail(session, self.claim, "out_of_memory", "too large")

    def hurry(self) -> None:
        """What is put off is due now."""
        with transaction(self.factory) as session:
            session.execute(update(TrackedJob).values(next_at=FromNow(-1)))


@pytest.fixture
def story(quick: Settings, factory: sessionmaker[Session]) -> Callable[..., Story]:
    def begin(*trackers: str, name: str = "my job") -> Story:
        return Story(factory, quick, trackers, name)

    return begin
