"""Hosts that share a database and a bucket, and no directory: two are killed, the third one ends the job."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from jobs.settings import Settings
from jobs.state import JobState
from tests.api.conftest import local_client
from tests.chaos.load import Result, reference
from tests.end_to_end.test_parts import MEASURED, tasks_of
from tests.fixtures.workers import Record, Worker

SECONDS = 600.0
RESULTS = ("student.safetensors", "outcomes-student.safetensors")
WANTED = {
    "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
    "freeze_depth": 1,
    "preset": "smoke",
    "baselines": [],
    "pretrain": {"epochs": 4},
    "evaluate": MEASURED,
}


@pytest.fixture
def quick(settings: Settings, bucket_url: str) -> Settings:
    """One slot of one thread a host, a checkpoint after each epoch, and attacks cut in two."""
    return settings.model_copy(
        update={
            "store": bucket_url,
            "lease_seconds": 20.0,
            "renew_seconds": 1.0,
            "sweep_seconds": 0.3,
            "checkpoint_seconds": 0.0,
            "threads": 1,
            "evaluation_shards": 2,
        }
    )


def on_a_host(folder: Path) -> dict[str, Path]:
    """Its own folders; those for files are never made."""
    return {
        "data_dir": folder,
        "cache_dir": folder / "cache",
        "artifacts_dir": folder / "artifacts",
        "stages_dir": folder / "stages",
    }


def kill(worker: Worker) -> None:
    """All of it at once, as a host that loses its power."""
    family = [*worker.runs(), *worker.pool(), *worker.task_slot()]
    for pid in (worker.process.pid, *family):
        os.kill(pid, signal.SIGKILL)
    worker.process.wait(60)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_job_goes_on_from_the_checkpoint_and_the_part_of_hosts_that_are_gone(
    quick: Settings,
    factory: sessionmaker[Session],
    record: Record,
    start_worker: Callable[..., Worker],
    in_state: Callable[..., None],
    until: Callable[..., None],
    tmp_path: Path,
) -> None:
    with local_client(quick) as client:
        job_id = client.post("/jobs", json=WANTED).json()["id"]
        first = start_worker(**on_a_host(tmp_path / "first"))
        until(lambda: "checkpoint_written" in record.types(job_id))
        kill(first)
        second = start_worker(**on_a_host(tmp_path / "second"))
        until(lambda: any(task.state == "succeeded" for task in tasks_of(factory, job_id)), SECONDS)
        kill(second)
        begun = {task.id: task.worker_id for task in tasks_of(factory, job_id) if task.state == "succeeded"}
        start_worker(**on_a_host(tmp_path / "third"))
        in_state(job_id, JobState.SUCCEEDED, SECONDS)
        report = client.get(f"/jobs/{job_id}/artifacts/report.json").json()
        files = {name: client.get(f"/jobs/{job_id}/artifacts/{name}").content for name in RESULTS}
        log = client.get(f"/jobs/{job_id}/logs").text
    started = [event.body for event in record.events(job_id) if event.type == "stage_started"]
    assert any(body["resumed_at"] for body in started)
    assert 0 < len(begun) < len(tasks_of(factory, job_id))
    assert "on " in log
    for name in ("first", "second", "third"):
        assert files_below(tmp_path / name / "artifacts") + files_below(tmp_path / name / "stages") == []
    assert files_below(tmp_path / "third/cache/runs") == []
    student, outcomes = (hashlib.sha256(files[name]).hexdigest() for name in RESULTS)
    assert Result.of(student, outcomes, report) == reference(WANTED, tmp_path, quick.data_root)
