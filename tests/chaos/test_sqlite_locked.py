"""Somebody else holds SQLite's only write lock for longer than a lease, in the middle of a real job."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable

import pytest

from jobs.settings import SQLITE_NAME, Settings
from jobs.state import JobState
from tests.fixtures.workers import Record, Worker

LOCKED_SECONDS = 10.0
LONG = {"epochs": 20}


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_job_survives_ten_seconds_without_its_database(
    record: Record,
    quick: Settings,
    start_worker: Callable[..., Worker],
    until: Callable[..., None],
    in_state: Callable[..., None],
) -> None:
    job_id = record.submit(pretrain=LONG)
    start_worker(threads=1, checkpoint_seconds=0.0)
    until(lambda: "checkpoint_written" in record.types(job_id), 120)
    other = sqlite3.connect(quick.data_dir / SQLITE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    told = len(record.events(job_id))
    time.sleep(LOCKED_SECONDS)
    assert len(record.events(job_id)) == told
    other.execute("ROLLBACK")
    other.close()
    in_state(job_id, JobState.SUCCEEDED, 120)
    types = record.types(job_id)
    assert [event.number for event in record.events(job_id)] == list(range(1, len(types) + 1))
    assert types.count("succeeded") == 1
    assert record.job(job_id).token == types.count("claimed")
