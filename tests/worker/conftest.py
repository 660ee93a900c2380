"""What the worker's tests share: short leases, jobs in the record, a supervisor with a scripted child."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from jobs.settings import Settings
from jobs.store import Claim
from tests.fixtures.workers import PATIENCE_SECONDS
from worker.supervision.child_command import Launch
from worker.supervision.outcome import Verdict
from worker.supervision.supervisor import Supervisor, SupervisorContext

FAKE_CHILD = Path(__file__).with_name("fake_child.py")


@pytest.fixture
def backend() -> str:
    """SQLite unless a test says otherwise: what is tested here does not depend on the database."""
    return "sqlite"


@dataclass
class Running:
    """A supervisor at work in a thread."""

    claim: Claim
    out: Path
    log: Path
    shutdown: threading.Event
    thread: threading.Thread
    verdicts: list[Verdict | None] = field(default_factory=list)

    def verdict(self, seconds: float = PATIENCE_SECONDS) -> Verdict | None:
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
        context = SupervisorContext(
            settings=quick,
            factory=factory,
            shutting_down=shutdown.is_set,
            prepare=lambda settings, claim: launch,
        )
        verdicts: list[Verdict | None] = []
        thread = threading.Thread(
            target=lambda: verdicts.append(Supervisor(context, claim).run()), daemon=True
        )
        thread.start()
        running = Running(claim, out, log, shutdown, thread, verdicts)
        started.append(running)
        return running

    yield start
    for running in started:
        running.shutdown.set()
        running.thread.join(60)
