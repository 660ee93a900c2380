"""What the worker's tests share: short leases, jobs in the record, a supervisor with a scripted child."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.resolve import resolve
from cartl_core.spec import JobRequest
from jobs import store
from jobs.database import reading, transaction
from jobs.models import Job, JobEvent
from jobs.settings import Settings
from jobs.store import Claim
from worker.launch import Launch
from worker.supervise import Bench, Supervisor
from worker.verdict import Verdict

FAKE_CHILD = Path(__file__).with_name("fake_child.py")
LEASE_SECONDS = 2.0


@pytest.fixture
def backend() -> str:
    """SQLite unless a test says otherwise: what is tested here does not depend on the database."""
    return "sqlite"


@pytest.fixture
def quick(settings: Settings) -> Settings:
    """Settings with leases that lapse within a test."""
    return settings.model_copy(
        update={
            "lease_seconds": LEASE_SECONDS,
            "renew_seconds": 0.3,
            "sweep_seconds": 0.3,
            "stop_grace_seconds": 2.0,
        }
    )


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait for a condition; the test fails when it does not come true."""

    def wait(condition: Callable[[], bool], seconds: float = 10.0) -> None:
        assert eventually(condition, seconds), "it did not come true in time"

    return wait


@dataclass
class Record:
    """The record as a test sees it."""

    factory: sessionmaker[Session]

    def submit(self, owner: str = "ada", **wanted: object) -> str:
        """A job of the smallest preset; returns its id."""
        request = JobRequest.model_validate(
            {"dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]}, "freeze_depth": 1, "model": "tiny"}
            | {"preset": "smoke", "baselines": []}
            | wanted
        )
        with transaction(self.factory) as session:
            return store.submit(session, request=request, spec=resolve(request), estimate={}, owner=owner).id

    def claim(self, worker_id: str = "test-worker", lease_seconds: float = LEASE_SECONDS) -> Claim:
        with transaction(self.factory) as session:
            claim = store.claim(session, worker_id=worker_id, lease_seconds=lease_seconds)
        assert claim is not None
        return claim

    def job(self, job_id: str) -> Job:
        with reading(self.factory) as session:
            return store.find(session, job_id)

    def events(self, job_id: str) -> list[JobEvent]:
        with reading(self.factory) as session:
            return list(store.events_after(session, job_id, 0, 1000))

    def types(self, job_id: str) -> list[str]:
        return [event.type for event in self.events(job_id)]

    def living_workers(self) -> list[str]:
        with reading(self.factory) as session:
            return [worker.id for worker in store.workers(session)]

    def cancel(self, job_id: str) -> None:
        with transaction(self.factory) as session:
            store.request_cancel(session, job_id)


@pytest.fixture
def record(factory: sessionmaker[Session]) -> Record:
    return Record(factory)


@dataclass
class Running:
    """A supervisor at work in a thread."""

    claim: Claim
    out: Path
    log: Path
    shutdown: threading.Event
    thread: threading.Thread
    verdicts: list[Verdict | None] = field(default_factory=list)

    def verdict(self, seconds: float = 15.0) -> Verdict | None:
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "the supervisor did not end"
        return self.verdicts[0]


@pytest.fixture
def supervise(quick: Settings, factory: sessionmaker[Session]) -> Iterator[Callable[[Claim, str], Running]]:
    """Supervise a claim with a child that plays a scenario of fake_child.py."""
    started: list[Running] = []

    def start(claim: Claim, scenario: str) -> Running:
        out = quick.artifacts_dir / claim.job_id / str(claim.token)
        log = out.parent / "logs" / f"attempt-{claim.attempt}.log"
        out.mkdir(parents=True)
        quick.stages_dir.mkdir(parents=True, exist_ok=True)
        launch = Launch(
            command=(sys.executable, str(FAKE_CHILD), scenario, str(out), str(quick.stages_dir)),
            environment=dict(os.environ),
            out=out,
            log=log,
        )
        shutdown = threading.Event()
        bench = Bench(
            settings=quick,
            factory=factory,
            shutting_down=shutdown.is_set,
            prepare=lambda settings, claim: launch,
        )
        verdicts: list[Verdict | None] = []
        thread = threading.Thread(target=lambda: verdicts.append(Supervisor(bench, claim).run()), daemon=True)
        thread.start()
        running = Running(claim, out, log, shutdown, thread, verdicts)
        started.append(running)
        return running

    yield start
    for running in started:
        running.shutdown.set()
        running.thread.join(15)
