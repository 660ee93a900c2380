"""Stages, checkpoints, artifacts and progress of a supervised run are recorded."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database.engine import reading, transaction
from jobs.settings import Settings
from jobs.state import JobState, Move

Fixture = Any  # fixtures of conftest.py


def test_a_stage_is_computed_once_and_reused_by_the_next_job(
    record: Fixture, supervise: Fixture, factory: sessionmaker[Session]
) -> None:
    first, second = record.submit(), record.submit()
    for _ in range(2):
        running = supervise(record.claim(), "stage")
        assert running.verdict().move is Move.COMPLETE
    assert {record.job(job_id).state for job_id in (first, second)} == {JobState.SUCCEEDED}
    assert record.types(first).count("checkpoint_written") == 2
    assert record.types(first).count("stage_stored") == 1
    assert "stage_stored" not in record.types(second)
    assert '"verdict": "finished"' in running.log.read_text()
    with reading(factory) as session:
        (stage,) = store.stages_of(session, "ada", kind="pretrain")
    assert stage.state == "finished"


def test_a_stage_that_another_run_computes_sends_the_job_back_to_wait_without_an_attempt(
    record: Fixture, supervise: Fixture, factory: sessionmaker[Session]
) -> None:
    record.submit()
    holder = record.claim(lease_seconds=60)
    with transaction(factory) as session:
        store.acquire_stage(session, holder, digest="a" * 64, kind="pretrain", label="x", shared=True)
    waiter = record.submit()
    supervise(record.claim(), "stage").verdict()
    job = record.job(waiter)
    assert (job.state, job.waiting_for, job.attempts_used) == (JobState.QUEUED, "a" * 64, 0)


def test_checkpoints_of_an_earlier_claim_are_offered_newest_first(
    record: Fixture, supervise: Fixture, quick: Settings, factory: sessionmaker[Session]
) -> None:
    job_id = record.submit()
    assert supervise(record.claim(), "stage").verdict().move is Move.COMPLETE
    second = record.submit()
    with reading(factory) as session:
        (stage,) = store.stages_of(session, "ada", kind="pretrain")
        old = quick.stages_dir / str(stage.path)
    moved = old.with_name("kept")
    old.rename(moved)  # the result is gone: the stage is computed again, and no checkpoint is there
    running = supervise(record.claim(), "stage")
    assert running.verdict().move is Move.COMPLETE
    assert '"verdict": "compute"' in running.log.read_text()
    assert '"checkpoints": []' in running.log.read_text()
    assert job_id != second


def test_an_artifact_is_recorded_with_size_and_digest(
    record: Fixture, supervise: Fixture, quick: Settings, factory: sessionmaker[Session]
) -> None:
    job_id = record.submit()
    running = supervise(record.claim(), "artifact")
    running.verdict()
    with reading(factory) as session:
        (row,) = store.artifacts_of(session, job_id)
    content = b"# robust\n"
    assert (row.size, row.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (quick.artifacts_dir / row.path).read_bytes() == content
    assert row.path.startswith(f"{job_id}/{running.claim.token}/")


def test_a_file_outside_the_claims_directory_is_refused(record: Fixture, supervise: Fixture) -> None:
    job_id = record.submit()
    verdict = supervise(record.claim(), "outside").verdict()
    assert verdict.move is Move.REQUEUE_AFTER_CRASH
    assert "artifact_written" not in record.types(job_id)


def test_progress_is_coalesced_and_rubbish_goes_to_the_log(record: Fixture, supervise: Fixture) -> None:
    job_id = record.submit()
    running = supervise(record.claim(), "chatter")
    assert running.verdict().move is Move.FAIL
    assert record.types(job_id) == ["submitted", "claimed", "warned", "failed"]
    assert record.job(job_id).fraction == pytest.approx(1999 / 2000)
    assert "this is no event" in running.log.read_text()
