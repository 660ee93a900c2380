"""Real workers with sinks beside them: what hangs or fails there holds up no job and no shutdown."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from jobs.database.dialect import FromNow
from jobs.database.engine import reading, transaction
from jobs.state import JobState
from jobs.tables import TrackedJob, WebhookDelivery
from jobs.webhooks.message import EVENTS
from jobs.webhooks.registry import register
from tests.fixtures.workers import Worker, children
from tests.worker.sinks.receiver import Receiver
from worker.host.identity import is_alive

Fixture = Any  # fixtures of conftest.py
FAKE_WORKER = Path(__file__).parents[1] / "fake_worker.py"
LONG = 60.0


def test_a_hanging_receiver_and_a_failing_tracker_hold_up_neither_a_job_nor_a_shutdown(
    record: Fixture,
    start_worker: Callable[..., Worker],
    receiver: Receiver,
    factory: sessionmaker[Session],
    in_state: Fixture,
    until: Fixture,
    tmp_path: Path,
) -> None:
    receiver.answer = lambda handler: receiver.gone.wait(LONG)
    with transaction(factory) as session:
        register(session, "ada", receiver.url(), EVENTS, most=1)
    no_folder = tmp_path / "no-folder"
    no_folder.write_text("a file is in the way")
    worker = start_worker(
        [str(FAKE_WORKER)],
        webhooks=True,
        webhook_hosts="127.0.0.1",
        webhook_seconds=LONG,
        tensorboard_dir=no_folder,
    )
    first = record.submit(name="succeed")
    in_state(first, JobState.SUCCEEDED)
    until(lambda: len(receiver.calls) == 1 and failures(factory, first) > 0)
    second = record.submit(name="succeed")
    in_state(second, JobState.SUCCEEDED)
    assert states(factory) == {"pending"}
    no_folder.unlink()
    until(lambda: is_tracked_when_due(factory, no_folder / second / "teacher_fdm"))
    family = children(worker.process.pid)
    worker.process.send_signal(signal.SIGTERM)
    worker.wait()
    assert not receiver.gone.is_set() and [pid for pid in family if is_alive(pid)] == []
    assert record.types(first).count("claimed") == 1
    log = worker.log.read_text()
    assert "tensorboard has failed: NotADirectoryError" in log or "FileExistsError" in log
    assert "Traceback" not in log


def is_tracked_when_due(factory: sessionmaker[Session], folder: Path) -> bool:
    """Whether the folder is there; what is put off is due at once."""
    with transaction(factory) as session:
        session.execute(update(TrackedJob).values(next_at=FromNow(-1)))
    return folder.is_dir()


def failures(factory: sessionmaker[Session], job_id: str) -> int:
    with reading(factory) as session:
        found = session.get(TrackedJob, ("tensorboard", job_id))
        return 0 if found is None else found.failures


def states(factory: sessionmaker[Session]) -> set[str]:
    with reading(factory) as session:
        return set(session.scalars(select(WebhookDelivery.state)).all())
