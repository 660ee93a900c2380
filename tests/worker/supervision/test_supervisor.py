"""One job under its supervisor, with children that behave in every way a child can."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database.engine import transaction
from jobs.settings import Settings
from jobs.state import JobState, Move
from tests.fixtures.workers import LEASE_SECONDS
from worker.host.identity import is_alive
from worker.supervision.lease import Lease

Fixture = Any  # fixtures of conftest.py


def test_a_run_that_finishes_succeeds_and_everything_it_told_is_recorded(
    record: Fixture, supervise: Fixture
) -> None:
    job_id = record.submit()
    verdict = supervise(record.claim(), "succeed").verdict()
    assert verdict is not None
    assert verdict.move is Move.COMPLETE
    job = record.job(job_id)
    assert (job.state, job.attempts_used, job.fraction) == (JobState.SUCCEEDED, 0, 1.0)
    assert record.types(job_id) == ["submitted", "claimed", *["epoch_finished"] * 3, "succeeded"]
    assert [row.number for row in record.events(job_id)] == [1, 2, 3, 4, 5, 6]
    assert [event.body["epoch"] for event in record.events(job_id) if "epoch" in event.body] == [1, 2, 3]


@pytest.mark.parametrize(
    ("scenario", "state", "reason", "attempts_used"),
    [
        ("fail", JobState.FAILED, "out_of_memory", 0),
        ("refuse", JobState.FAILED, "spec_invalid", 0),
        ("crash", JobState.QUEUED, None, 1),
        ("give_up", JobState.QUEUED, None, 1),
    ],
)
def test_how_a_run_ends_decides_what_becomes_of_its_job(
    record: Fixture,
    supervise: Fixture,
    scenario: str,
    state: JobState,
    reason: str | None,
    attempts_used: int,
) -> None:
    job_id = record.submit()
    supervise(record.claim(), scenario).verdict()
    job = record.job(job_id)
    assert (job.state, job.reason, job.attempts_used) == (state, reason, attempts_used)


def test_a_crash_says_how_and_at_the_cap_of_attempts_the_job_has_failed(
    record: Fixture, supervise: Fixture
) -> None:
    job_id = record.submit()
    for _ in range(record.job(job_id).max_attempts):
        verdict = supervise(record.claim(), "crash").verdict()
        assert "SIGSEGV" in verdict.message
    job = record.job(job_id)
    assert (job.state, job.reason) == (JobState.FAILED, "worker_lost")
    assert "SIGSEGV" in job.message


def test_a_cancelled_run_is_asked_to_stop_and_acknowledged(
    record: Fixture, supervise: Fixture, until: Fixture
) -> None:
    job_id = record.submit()
    running = supervise(record.claim(), "obey")
    until(lambda: "epoch_finished" in record.types(job_id))
    record.cancel(job_id)
    assert running.verdict().move is Move.ACKNOWLEDGE
    assert record.job(job_id).state == JobState.CANCELLED


def test_a_shutdown_puts_the_job_back_and_uses_no_attempt(
    record: Fixture, supervise: Fixture, until: Fixture
) -> None:
    job_id = record.submit()
    running = supervise(record.claim(), "obey")
    until(lambda: "epoch_finished" in record.types(job_id))
    running.shutdown.set()
    assert running.verdict().move is Move.RELEASE
    job = record.job(job_id)
    assert (job.state, job.attempts_used) == (JobState.QUEUED, 0)


@pytest.mark.parametrize(("cancel", "state"), [(True, JobState.CANCELLED), (False, JobState.QUEUED)])
def test_a_run_that_does_not_stop_is_killed_with_all_its_children(
    record: Fixture, supervise: Fixture, until: Fixture, cancel: bool, state: JobState
) -> None:
    job_id = record.submit()
    running = supervise(record.claim(), "stubborn")
    until(lambda: "epoch_finished" in record.types(job_id))
    grandchild = int((running.out / "grandchild").read_text())
    assert is_alive(grandchild)
    if cancel:
        record.cancel(job_id)
    else:
        running.shutdown.set()
    running.verdict()
    job = record.job(job_id)
    assert (job.state, job.attempts_used) == (state, 0)
    until(lambda: not is_alive(grandchild))


def test_a_job_taken_by_another_worker_loses_its_child_and_nothing_more_is_written(
    record: Fixture, supervise: Fixture, until: Fixture, factory: sessionmaker[Session]
) -> None:
    job_id = record.submit()
    first = record.claim()
    running = supervise(first, "stubborn")
    until(lambda: "epoch_finished" in record.types(job_id))
    grandchild = int((running.out / "grandchild").read_text())
    with transaction(factory) as session:
        store.release(session, first)
    second = record.claim("another-worker")
    assert second.token > first.token
    events = record.types(job_id)
    assert running.verdict() is None
    assert record.types(job_id) == events
    assert record.job(job_id).worker_id == "another-worker"
    until(lambda: not is_alive(grandchild))


def test_what_a_fenced_run_writes_lies_on_the_disk_and_does_not_count(
    record: Fixture,
    supervise: Fixture,
    until: Fixture,
    quick: Settings,
    factory: sessionmaker[Session],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for look in ("_renew", "_look"):  # its supervisor slept: nobody has told it yet
        monkeypatch.setattr(Lease, look, lambda lease: None)
    job_id = record.submit()
    first = record.claim()
    running = supervise(first, "late")
    until(lambda: "checkpoint_written" in record.types(job_id))
    with transaction(factory) as session:
        store.requeue_after_crash(session, first)
    second = record.claim("another-worker")
    events = record.types(job_id)
    (quick.stages_dir / "go").touch()
    assert running.verdict() is None
    assert record.types(job_id) == events
    with transaction(factory) as session:
        verdict = store.acquire_stage(
            session, second, digest="a" * 64, kind="pretrain", label="teacher", shared=True
        )
    written = quick.stages_dir / ("a" * 64) / f"{job_id}-{first.token}"
    assert (written / "2.checkpoint").exists()
    assert verdict.verdict == "compute"
    assert [quick.stages_dir / path for path in verdict.checkpoints] == [written / "1.checkpoint"]
    assert quick.stages_dir / str(verdict.path) != written


def test_a_run_of_another_version_does_not_succeed(record: Fixture, supervise: Fixture) -> None:
    job_id = record.submit()
    running = supervise(record.claim(), "newer")
    assert running.verdict().move is Move.REQUEUE_AFTER_CRASH
    assert record.types(job_id) == ["submitted", "claimed", "lost"]
    assert '"colour": "red"' in running.log.read_text()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines made from here on say at once that the database is locked."""
    monkeypatch.setattr("jobs.database.engine.BUSY_SECONDS", 0.1)


@pytest.mark.usefixtures("impatient")
def test_a_database_that_is_away_longer_than_the_lease_costs_nothing(
    record: Fixture, supervise: Fixture, quick: Settings
) -> None:
    """SQLite is locked by somebody else from the first event until the child has ended."""
    job_id = record.submit()
    running = supervise(record.claim(), "slow")
    with contextlib.closing(sqlite3.connect(quick.data_dir / "cartl.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        running.thread.join(LEASE_SECONDS + 1.5)
        assert running.thread.is_alive()
        other.execute("ROLLBACK")
    assert running.verdict().move is Move.COMPLETE
    messages = [event.body["message"] for event in record.events(job_id) if event.type == "warned"]
    assert messages == [str(number) for number in range(1, 31)]
    assert record.job(job_id).state == JobState.SUCCEEDED


def test_a_commit_that_failed_only_seemingly_is_not_made_twice(
    record: Fixture, supervise: Fixture, factory: sessionmaker[Session]
) -> None:
    """Every second commit is made and then reported as failed."""
    commits = count()

    def after_commit(session: Session) -> None:
        if next(commits) % 2 == 0:
            raise OperationalError("COMMIT", {}, Exception("the connection was lost"))

    job_id = record.submit()
    claim = record.claim()
    event.listen(factory, "after_commit", after_commit)
    try:
        running = supervise(claim, "succeed")
        running.verdict()
    finally:
        event.remove(factory, "after_commit", after_commit)
    assert next(commits) > 4
    assert record.types(job_id) == ["submitted", "claimed", *["epoch_finished"] * 3, "succeeded"]


def test_the_log_keeps_what_the_child_and_the_supervisor_said(record: Fixture, supervise: Fixture) -> None:
    record.submit()
    running = supervise(record.claim(), "refuse")
    running.verdict()
    text = running.log.read_text()
    assert "attempt 1 (token 1)" in text
    assert "99 does not fit" in text
    assert "refused its specification" in text


def open_files() -> int:
    """Pipes and files of this process; the database's pool keeps as many connections as it likes."""
    targets = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            targets.append(str(link.readlink()))
    return len([target for target in targets if "sqlite" not in target])


def test_the_supervisor_leaves_no_open_file(
    record: Fixture, supervise: Fixture, until: Callable[..., None]
) -> None:
    record.submit()
    record.submit()
    supervise(record.claim(), "succeed").verdict()
    before = open_files()
    supervise(record.claim(), "succeed").verdict()
    until(lambda: open_files() <= before)
