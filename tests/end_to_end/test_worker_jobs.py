"""Real jobs through real workers: nothing scripted between the record and the trained network."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.report import Report
from jobs import store
from jobs.database.engine import reading
from jobs.settings import Settings
from jobs.state import JobState
from tests.fixtures.workers import Record, Worker
from worker.host.identity import is_alive

EPOCHS = 8
LONG = {"epochs": EPOCHS}
SECONDS = 120.0


@pytest.fixture
def quick(settings: Settings) -> Settings:
    """Leases that a starved machine can keep, and a checkpoint after each epoch."""
    return settings.model_copy(
        update={
            "lease_seconds": 6.0,
            "renew_seconds": 1.0,
            "sweep_seconds": 0.5,
            "stop_grace_seconds": 20.0,
            "checkpoint_seconds": 0.0,
            "threads": 1,
        }
    )


def epochs_told(record: Record, job_id: str) -> list[int]:
    """Epochs of the teacher, in the order in which they were recorded."""
    return [
        event.body["epoch"]
        for event in record.events(job_id)
        if event.type == "epoch_finished" and event.body["stage"] == "pretrain"
    ]


def resumptions(record: Record, job_id: str) -> list[float]:
    started = [event.body for event in record.events(job_id) if event.type == "stage_started"]
    return [body["resumed_at"] for body in started if body["resumed_at"] is not None]


def check_result(record: Record, factory: sessionmaker[Session], settings: Settings, job_id: str) -> None:
    """The report is complete, the files are those that were recorded, events have no gap."""
    report = Report.model_validate(record.job(job_id).report)
    assert report.complete
    assert report.student is not None
    assert report.student.figures is not None
    with reading(factory) as session:
        artifacts = list(store.artifacts_of(session, job_id))
    assert {"report.json", "student.safetensors"} <= {artifact.name for artifact in artifacts}
    for artifact in artifacts:
        content = (settings.artifacts_dir / artifact.path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (artifact.size, artifact.sha256)
    events = record.events(job_id)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert [event.type for event in events].count("succeeded") == 1


@pytest.mark.parametrize("backend", ["postgresql"])
def test_a_job_survives_a_restart_of_its_worker_on_postgresql_and_redis(
    record: Record,
    factory: sessionmaker[Session],
    quick: Settings,
    redis_url: str,
    start_worker: Callable[..., Worker],
    until: Callable[..., None],
    in_state: Callable[..., None],
) -> None:
    job_id = record.submit(pretrain=LONG)
    worker = start_worker(broker_url=redis_url)
    until(lambda: "checkpoint_written" in record.types(job_id), SECONDS)
    family = [*worker.runs(), *worker.pool()]
    worker.process.send_signal(signal.SIGTERM)
    worker.wait(40)
    assert [pid for pid in family if is_alive(pid)] == []
    job = record.job(job_id)
    assert (job.state, job.attempts_used) == (JobState.QUEUED, 0)
    start_worker(broker_url=redis_url)
    in_state(job_id, JobState.SUCCEEDED, SECONDS)
    assert resumptions(record, job_id) != []
    assert epochs_told(record, job_id) == list(range(1, EPOCHS + 1))
    assert (record.job(job_id).attempts_used, record.job(job_id).token) == (0, 2)
    check_result(record, factory, quick, job_id)


@pytest.mark.usefixtures("forked_starts")
@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_damaged_teacher_is_trained_again_for_the_next_job(
    record: Record,
    factory: sessionmaker[Session],
    quick: Settings,
    start_worker: Callable[..., Worker],
    in_state: Callable[..., None],
) -> None:
    """One flipped bit: the next job says so, drops it, and has the student of the first, bit by bit."""
    start_worker()
    first = record.submit(pretrain={"epochs": 1})
    in_state(first, JobState.SUCCEEDED, SECONDS)
    networks = sorted(quick.stages_dir.rglob("network.safetensors"))
    assert len(networks) == 2
    for path in networks:
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    second = record.submit(pretrain={"epochs": 1})
    in_state(second, JobState.SUCCEEDED, SECONDS)
    anew = [event.body for event in record.events(second) if event.type == "stage_computed_anew"]
    assert sorted(body["label"] for body in anew) == ["student (cartl)", "teacher (fdm)"]
    with reading(factory) as session:
        students = {
            store.artifact(session, job_id, "student.safetensors").sha256 for job_id in (first, second)
        }
    assert len(students) == 1
    check_result(record, factory, quick, second)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_killed_run_goes_on_from_its_checkpoint_and_a_cancelled_one_stops(
    record: Record,
    factory: sessionmaker[Session],
    quick: Settings,
    start_worker: Callable[..., Worker],
    until: Callable[..., None],
    in_state: Callable[..., None],
) -> None:
    job_id = record.submit(pretrain=LONG)
    worker = start_worker()
    until(lambda: "checkpoint_written" in record.types(job_id), SECONDS)
    (run,) = worker.runs()
    os.kill(run, signal.SIGKILL)
    in_state(job_id, JobState.SUCCEEDED, SECONDS)
    assert record.job(job_id).attempts_used == 1
    assert resumptions(record, job_id) != []
    check_result(record, factory, quick, job_id)
    endless = record.submit(pretrain={"epochs": 1000}, seed=1)
    until(lambda: len(epochs_told(record, endless)) > 0, SECONDS)
    record.cancel(endless)
    in_state(endless, JobState.CANCELLED, 40)
    assert worker.runs() == []
