"""What a pool process does when it is notified, in this very process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from jobs.database.engine import transaction
from jobs.settings import Settings
from jobs.state import JobState
from tests.worker.fake_worker import prepare
from worker import tasks
from worker.host.shutdown import ShutdownFlag

Fixture = Any  # fixtures of conftest.py


@contextmanager
def unanswered(factory: sessionmaker[Session]) -> Iterator[Session]:
    """A transaction whose COMMIT is made, and whose answer is lost."""
    with transaction(factory) as session:
        yield session
    raise OperationalError("COMMIT", {}, ConnectionResetError())


def test_a_claim_that_seemed_to_fail_is_put_back_at_the_next_notification_not_at_the_end_of_its_lease(
    record: Fixture, quick: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = quick.model_copy(update={"lease_seconds": 600.0})
    job_id = record.submit()
    with monkeypatch.context() as patched:
        patched.setattr(tasks, "transaction", unanswered)
        assert tasks.run_jobs(settings, ShutdownFlag(), prepare) == 0
    assert record.job(job_id).state == JobState.RUNNING, "by nobody"
    assert tasks.run_jobs(settings, ShutdownFlag(), prepare) == 1
    assert record.job(job_id).state == JobState.SUCCEEDED
    lost = [event for event in record.events(job_id) if event.type == "lost"]
    assert [event.body["why"] for event in lost] == ["not_held"]


def test_nothing_is_claimed_once_a_shutdown_has_begun(record: Fixture, quick: Settings) -> None:
    job_id = record.submit()
    shutdown = ShutdownFlag()
    shutdown.set()
    assert tasks.run_jobs(quick, shutdown, prepare) == 0
    assert record.job(job_id).state == JobState.QUEUED
