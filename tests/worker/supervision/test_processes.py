"""Real workers: Celery's main process, its pool processes, and children played by a script."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.queue import make_celery, notify_workers
from jobs.settings import Settings
from jobs.state import JobState
from tests.fixtures.workers import Worker, children
from worker.host.identity import is_alive

Fixture = Any  # fixtures of conftest.py
FAKE_WORKER = Path(__file__).parents[1] / "fake_worker.py"


@pytest.fixture
def start_fake(start_worker: Callable[..., Worker]) -> Callable[..., Worker]:
    """Start a worker whose jobs are played by a script."""
    return lambda **changed: start_worker([str(FAKE_WORKER)], **changed)


def to_main(worker: Worker) -> None:
    worker.process.send_signal(signal.SIGTERM)


def to_group(worker: Worker) -> None:
    os.killpg(worker.process.pid, signal.SIGINT)


def term_to_all(worker: Worker) -> None:
    """As systemd does; the run itself obeys its orders alone here, so it is left out."""
    os.killpg(worker.process.pid, signal.SIGTERM)


@pytest.mark.parametrize("shut_down", [to_group, term_to_all])  # to_main: tests/deploy/test_drain.py
def test_a_shutdown_puts_the_job_back_and_leaves_no_process(
    record: Fixture,
    start_fake: Fixture,
    until: Fixture,
    shut_down: Callable[[Worker], None],
) -> None:
    job_id = record.submit(name="obey")
    worker = start_fake()
    until(lambda: "epoch_finished" in record.types(job_id))
    family = [*worker.runs(), *worker.pool()]
    assert len(family) == 2
    shut_down(worker)
    worker.wait()
    assert [pid for pid in family if is_alive(pid)] == []
    job = record.job(job_id)
    assert (job.state, job.attempts_used) == (JobState.QUEUED, 0)


def test_a_worker_that_sleeps_for_longer_than_its_lease_loses_nothing(
    record: Fixture, start_fake: Fixture, until: Fixture, quick: Settings
) -> None:
    """Three lid closings: no process has died, so none of the attempts is used."""
    job_id = record.submit(name="obey")
    worker = start_fake()
    until(lambda: "epoch_finished" in record.types(job_id), 20)
    family = [worker.process.pid, *worker.pool(), *worker.runs()]
    for _ in range(3):
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(1.5 * quick.lease_seconds)
        for pid in filter(is_alive, family):  # whoever sweeps wakes up first
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.4)
        time.sleep(1.5 * quick.lease_seconds)
    job = record.job(job_id)
    assert (job.state, job.token, job.attempts_used) == (JobState.RUNNING, 1, 0)
    assert "lost" not in record.types(job_id)


def test_an_idle_worker_ends_at_once_and_signs_off(
    record: Fixture, start_fake: Fixture, until: Fixture
) -> None:
    job_id = record.submit()
    worker = start_fake()
    until(lambda: record.job(job_id).state == JobState.SUCCEEDED)
    to_main(worker)
    assert worker.wait() == 0  # its watchdog, which ends one that waits for something, gives another code
    assert record.living_workers() == []


def test_a_killed_main_process_takes_its_family_along_and_the_job_is_put_back(
    record: Fixture, start_fake: Fixture, until: Fixture
) -> None:
    job_id = record.submit(name="obey")
    worker = start_fake()
    until(lambda: "epoch_finished" in record.types(job_id))
    family = [*worker.runs(), *worker.pool()]
    worker.process.kill()
    until(lambda: not any(is_alive(pid) for pid in family))
    job = record.job(job_id)
    assert (job.state, job.attempts_used) == (JobState.QUEUED, 0)


def test_a_killed_pool_process_takes_its_run_along_and_the_job_is_tried_again_at_once(
    record: Fixture, start_fake: Fixture, until: Fixture, in_state: Fixture
) -> None:
    job_id = record.submit(name="obey")
    worker = start_fake(lease_seconds=600.0, log_format="json")
    until(lambda: "epoch_finished" in record.types(job_id))
    (pool,), (run,) = worker.pool(), worker.runs()
    os.kill(pool, signal.SIGKILL)
    until(lambda: not is_alive(run))
    in_state(job_id, JobState.SUCCEEDED)
    assert record.job(job_id).attempts_used == 1
    # The replacement, made by another thread of Celery's, must let go as cleanly as the first.
    other = record.submit(name="obey")
    until(lambda: "epoch_finished" in record.types(other))
    to_main(worker)
    worker.wait()
    assert (record.job(other).state, record.job(other).attempts_used) == (JobState.QUEUED, 0)
    # Each record is an object; those about a job tell job and attempt. Celery says goodbye itself.
    lines = worker.log.read_text().splitlines()
    said = [json.loads(line) for line in lines if line.startswith("{")]
    assert {line for line in lines if not line.startswith("{")} <= {"", "worker: Warm shutdown (MainProcess)"}
    about = [(line["job"], line["attempt"]) for line in said if "job" in line]
    assert list(dict.fromkeys(about)) == [(job_id, 1), (job_id, 2), (other, 1)]


def test_a_successor_frees_the_jobs_of_its_killed_predecessor_without_waiting_for_their_leases(
    record: Fixture, start_fake: Fixture, until: Fixture, in_state: Fixture
) -> None:
    job_id = record.submit(name="obey")
    worker = start_fake(lease_seconds=600.0)
    until(lambda: "epoch_finished" in record.types(job_id))
    family = [*worker.runs(), *worker.pool()]
    os.killpg(worker.process.pid, signal.SIGKILL)
    until(lambda: not any(is_alive(pid) for pid in family))
    assert record.job(job_id).state == JobState.RUNNING
    start_fake(lease_seconds=600.0)
    in_state(job_id, JobState.SUCCEEDED)
    assert record.job(job_id).attempts_used == 1


def test_a_supervisor_that_slept_past_its_lease_is_fenced(
    record: Fixture, start_fake: Fixture, until: Fixture, in_state: Fixture
) -> None:
    job_id = record.submit(name="obey")
    sleeper = start_fake()
    until(lambda: "epoch_finished" in record.types(job_id))
    (pool,) = sleeper.pool()
    os.kill(pool, signal.SIGSTOP)
    start_fake()
    in_state(job_id, JobState.SUCCEEDED)
    told = record.types(job_id)
    (run,) = children(pool)
    os.kill(pool, signal.SIGCONT)
    until(lambda: not is_alive(run))
    assert record.types(job_id) == told
    assert (record.job(job_id).state, record.job(job_id).token) == (JobState.SUCCEEDED, 2)


def test_a_job_that_is_notified_three_times_is_claimed_once(
    record: Fixture, start_fake: Fixture, quick: Settings, in_state: Fixture
) -> None:
    job_id = record.submit()
    celery = make_celery(quick)
    assert [notify_workers(celery, job_id) for _ in range(3)] == [True] * 3
    start_fake(slots=2)
    in_state(job_id, JobState.SUCCEEDED)
    time.sleep(1)
    assert record.types(job_id).count("claimed") == 1


def test_two_declared_devices_have_a_run_each_and_a_killed_one_frees_its_own(
    record: Fixture, start_fake: Fixture, in_state: Fixture, until: Fixture
) -> None:
    def device_of(job_id: str) -> str:
        claims = [event.body["device"] for event in record.events(job_id) if event.type == "claimed"]
        return str(claims[-1])

    first, second, third = (record.submit(name="obey") for _ in range(3))
    worker = start_fake(devices="cpu,cpu")
    for job_id in (first, second):
        until(lambda job_id=job_id: "epoch_finished" in record.types(job_id))
    assert {device_of(first), device_of(second)} == {"cpu:0", "cpu:1"}
    assert record.job(third).state == JobState.QUEUED
    for run in worker.runs():
        assert b"CUDA_VISIBLE_DEVICES=\0" in (Path("/proc") / str(run) / "environ").read_bytes()
    os.kill(record.job(second).supervisor_pid, signal.SIGKILL)
    until(lambda: record.job(second).attempts_used == 1)
    until(lambda: record.job(third).state == JobState.RUNNING)
    assert device_of(third) != device_of(first)


def test_jobs_run_though_every_notification_was_lost(
    record: Fixture, start_fake: Fixture, in_state: Fixture
) -> None:
    """Nobody notifies here but the workers' maintenance; with two slots, two jobs run at a time."""
    first, second, third = (record.submit(name=name) for name in ("obey", "obey", "succeed"))
    start_fake(slots=2)
    for job_id in (first, second):
        in_state(job_id, JobState.RUNNING)
    assert record.job(third).state == JobState.QUEUED
    record.cancel(third)
    assert record.job(third).state == JobState.CANCELLED
    for job_id in (first, second):
        record.cancel(job_id)
        in_state(job_id, JobState.CANCELLED)
    assert record.job(third).token == 0
