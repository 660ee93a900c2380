"""Real workers: Celery's main process, its pool processes, and children played by a script."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobs.queue import make_celery, ring
from jobs.settings import Settings
from jobs.state import JobState
from worker.identity import is_alive

Fixture = Any  # fixtures of conftest.py
FAKE_WORKER = Path(__file__).with_name("fake_worker.py")


def children(pid: int) -> list[int]:
    """Process ids of the living children of ``pid``."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, fields = stat.read_text().rpartition(")")
        except OSError:
            continue
        child = int(name.split(" ")[0])
        if int(fields.split()[1]) == pid and is_alive(child):
            found.append(child)
    return found


@dataclass
class Worker:
    """A worker's main process; it leads a session and a group of its own, as in a terminal."""

    process: subprocess.Popen[bytes]
    log: Path

    def pool(self) -> list[int]:
        """Its pool processes."""
        return children(self.process.pid)

    def runs(self) -> list[int]:
        """The processes that run jobs."""
        return [run for pool in self.pool() for run in children(pool)]

    def wait(self, seconds: float = 15.0) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker did not end:\n{self.log.read_text()}") from None


@pytest.fixture
def start_worker(quick: Settings, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Start workers; whatever is left of them is killed when the test ends."""
    started: list[Worker] = []

    def start(**changed: object) -> Worker:
        settings = quick.model_copy(update=changed)
        environment = {
            f"CARTL_{name.upper()}": str(value)
            for name, value in settings.model_dump(mode="json").items()
            if value is not None
        }
        log = tmp_path / f"worker-{len(started)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(FAKE_WORKER)],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        worker = Worker(process, log)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        family = [*worker.runs(), *worker.pool()]
        worker.process.kill()
        worker.process.wait(10)
        for pid in family:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def in_state(record: Fixture, until: Fixture) -> Callable[..., None]:
    def wait(job_id: str, state: JobState, seconds: float = 20.0) -> None:
        until(lambda: record.job(job_id).state == state, seconds)

    return wait


def to_main(worker: Worker) -> None:
    worker.process.send_signal(signal.SIGTERM)


def to_group(worker: Worker) -> None:
    os.killpg(worker.process.pid, signal.SIGINT)


def term_to_all(worker: Worker) -> None:
    """As systemd does; the run itself obeys its orders alone here, so it is left out."""
    os.killpg(worker.process.pid, signal.SIGTERM)


@pytest.mark.parametrize("shut_down", [to_main, to_group, term_to_all])
def test_a_shutdown_puts_the_job_back_and_leaves_no_process(
    record: Fixture,
    start_worker: Fixture,
    until: Fixture,
    shut_down: Callable[[Worker], None],
) -> None:
    job_id = record.submit(name="obey")
    worker = start_worker()
    until(lambda: "epoch_finished" in record.types(job_id), 20)
    family = [*worker.runs(), *worker.pool()]
    assert len(family) == 2
    shut_down(worker)
    worker.wait()
    assert [pid for pid in family if is_alive(pid)] == []
    job = record.job(job_id)
    assert (job.state, job.attempts_used) == (JobState.QUEUED, 0)


def test_an_idle_worker_ends_at_once_and_signs_off(
    record: Fixture, start_worker: Fixture, until: Fixture
) -> None:
    job_id = record.submit()
    worker = start_worker()
    until(lambda: record.job(job_id).state == JobState.SUCCEEDED, 20)
    began = time.monotonic()
    to_main(worker)
    assert worker.wait() == 0
    assert time.monotonic() - began < 8
    assert record.living_workers() == []


def test_a_killed_main_process_takes_its_family_along_and_the_job_is_put_back(
    record: Fixture, start_worker: Fixture, until: Fixture
) -> None:
    job_id = record.submit(name="obey")
    worker = start_worker()
    until(lambda: "epoch_finished" in record.types(job_id), 20)
    family = [*worker.runs(), *worker.pool()]
    worker.process.kill()
    until(lambda: not any(is_alive(pid) for pid in family))
    job = record.job(job_id)
    assert (job.state, job.attempts_used) == (JobState.QUEUED, 0)


def test_a_killed_pool_process_takes_its_run_along_and_the_job_is_tried_again(
    record: Fixture, start_worker: Fixture, until: Fixture, in_state: Fixture
) -> None:
    job_id = record.submit(name="obey")
    worker = start_worker()
    until(lambda: "epoch_finished" in record.types(job_id), 20)
    (pool,), (run,) = worker.pool(), worker.runs()
    os.kill(pool, signal.SIGKILL)
    until(lambda: not is_alive(run))
    in_state(job_id, JobState.SUCCEEDED)
    assert record.job(job_id).attempts_used == 1
    # The replacement, made by another thread of Celery's, must let go as cleanly as the first.
    other = record.submit(name="obey")
    until(lambda: "epoch_finished" in record.types(other), 20)
    to_main(worker)
    worker.wait()
    assert (record.job(other).state, record.job(other).attempts_used) == (JobState.QUEUED, 0)


def test_a_successor_frees_the_jobs_of_its_killed_predecessor_without_waiting_for_their_leases(
    record: Fixture, start_worker: Fixture, until: Fixture, in_state: Fixture
) -> None:
    job_id = record.submit(name="obey")
    worker = start_worker(lease_seconds=600.0)
    until(lambda: "epoch_finished" in record.types(job_id), 20)
    family = [*worker.runs(), *worker.pool()]
    os.killpg(worker.process.pid, signal.SIGKILL)
    until(lambda: not any(is_alive(pid) for pid in family))
    assert record.job(job_id).state == JobState.RUNNING
    start_worker(lease_seconds=600.0)
    in_state(job_id, JobState.SUCCEEDED)
    assert record.job(job_id).attempts_used == 1


def test_a_supervisor_that_slept_past_its_lease_is_fenced(
    record: Fixture, start_worker: Fixture, until: Fixture, in_state: Fixture
) -> None:
    job_id = record.submit(name="obey")
    sleeper = start_worker()
    until(lambda: "epoch_finished" in record.types(job_id), 20)
    (pool,) = sleeper.pool()
    os.kill(pool, signal.SIGSTOP)
    start_worker()
    in_state(job_id, JobState.SUCCEEDED)
    told = record.types(job_id)
    (run,) = children(pool)
    os.kill(pool, signal.SIGCONT)
    until(lambda: not is_alive(run))
    assert record.types(job_id) == told
    assert (record.job(job_id).state, record.job(job_id).token) == (JobState.SUCCEEDED, 2)


def test_a_bell_that_rings_three_times_starts_one_run(
    record: Fixture, start_worker: Fixture, quick: Settings, in_state: Fixture
) -> None:
    job_id = record.submit()
    bells = make_celery(quick)
    assert [ring(bells, job_id) for _ in range(3)] == [True] * 3
    start_worker(slots=2)
    in_state(job_id, JobState.SUCCEEDED)
    time.sleep(1)
    assert record.types(job_id).count("claimed") == 1


def test_jobs_run_though_every_bell_was_lost(
    record: Fixture, start_worker: Fixture, in_state: Fixture
) -> None:
    """Nobody rings here but the sweeper; with two slots, two jobs run at a time."""
    first, second, third = (record.submit(name=name) for name in ("obey", "obey", "succeed"))
    start_worker(slots=2)
    for job_id in (first, second):
        in_state(job_id, JobState.RUNNING)
    assert record.job(third).state == JobState.QUEUED
    record.cancel(third)
    assert record.job(third).state == JobState.CANCELLED
    for job_id in (first, second):
        record.cancel(job_id)
        in_state(job_id, JobState.CANCELLED)
    assert record.job(third).token == 0
