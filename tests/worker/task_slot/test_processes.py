"""Real workers with their slot for tasks: Celery's main process, the slot, and checks played by a script."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jobs.database.engine import transaction
from jobs.settings import Settings
from jobs.state import JobState
from jobs.store import tasks
from tests.fixtures.tasks import TaskRecord
from tests.fixtures.workers import Worker
from worker.host.identity import is_alive

Fixture = Any  # fixtures of conftest.py
FAKE_WORKER = Path(__file__).parents[1] / "fake_worker.py"


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    """Both: who waits for whom depends on the database."""
    chosen: str = request.param
    return chosen


@dataclass
class Desk:
    """Orders for checks, and what their parents were told."""

    folder: Path
    record: TaskRecord

    def ask(self, parent_id: str, play: str) -> str:
        self.change(parent_id, play)
        return self.record.add(parent_id)

    def change(self, parent_id: str, play: str) -> None:
        """What the next attempt is to play."""
        self.folder.mkdir(parents=True, exist_ok=True)
        order = {"play": play, "pids": str(self.folder / f"{parent_id}.pids")}
        (self.folder / f"{parent_id}.order").write_text(json.dumps(order))

    def told(self, parent_id: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.folder / f"{parent_id}.json").read_text())
        return told

    def pids(self, parent_id: str) -> list[int]:
        """Of the check that hangs, and of its own child."""
        file = self.folder / f"{parent_id}.pids"
        return [int(pid) for pid in file.read_text().split()] if file.exists() else []


@pytest.fixture
def desk(quick: Settings, task_record: TaskRecord) -> Desk:
    return Desk(quick.data_dir / "parents", task_record)


@pytest.fixture
def start_fake(start_worker: Callable[..., Worker]) -> Callable[..., Worker]:
    return lambda **changed: start_worker([str(FAKE_WORKER)], **changed)


def has_ended(pid: int) -> bool:
    return not is_alive(pid)


def test_tasks_are_done_while_every_training_slot_is_busy(
    desk: Desk, record: Fixture, start_fake: Fixture, until: Fixture
) -> None:
    job_id = record.submit(name="obey")
    worker = start_fake()
    until(lambda: "epoch_finished" in record.types(job_id))
    first, second = desk.ask("p1", "ready"), desk.ask("p2", "rejected")
    until(lambda: desk.record.row(second).state == "succeeded")
    assert desk.record.row(first).state == "succeeded"
    assert (desk.told("p1")["state"], desk.told("p2")["state"]) == ("ready", "rejected")
    job = record.job(job_id)
    assert (job.state, job.token) == (JobState.RUNNING, 1), "the training slot was busy all the time"
    assert len(worker.runs()) == 1


def end_orphan(child: int) -> None:
    """A check alone is tied to its slot: where the slot is killed, what the check has started goes on."""
    if is_alive(child):
        os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("victim", ["check", "slot"])
def test_a_task_whose_process_is_killed_is_tried_again_three_times(
    desk: Desk, start_fake: Fixture, until: Fixture, victim: str
) -> None:
    """The slot takes its check along, and is started again."""
    task_id = desk.ask("p1", "hangs")
    worker = start_fake(lease_seconds=600.0)
    seen: list[int] = []
    for _ in range(3):
        until(lambda: len(desk.pids("p1")) == 2 and not set(desk.pids("p1")) & set(seen))
        check, child = desk.pids("p1")
        seen.append(check)
        slot = next(pid for pid in worker.task_slot() if pid != check)
        os.kill(check if victim == "check" else slot, signal.SIGKILL)
        until(partial(has_ended, check))
        if victim == "check":
            until(partial(has_ended, child))
        else:
            end_orphan(child)
    until(lambda: desk.record.row(task_id).state == "failed")
    assert desk.record.row(task_id).attempts == 3
    assert "3 times" in desk.told("p1")["message"]


def test_a_killed_worker_takes_its_slot_along_and_another_one_goes_on(
    desk: Desk, start_fake: Fixture, until: Fixture
) -> None:
    task_id = desk.ask("p1", "hangs")
    worker = start_fake(lease_seconds=600.0)
    until(lambda: len(desk.pids("p1")) == 2)
    family = worker.task_slot()
    assert len(family) == 2
    worker.process.kill()
    until(lambda: not any(map(is_alive, family)))
    row = desk.record.row(task_id)
    assert (row.state, row.attempts) == ("queued", 0), "the slot had the time to put it back"
    desk.change("p1", "ready")
    start_fake()
    until(lambda: desk.record.row(task_id).state == "succeeded")


def test_a_worker_and_its_slot_that_are_killed_at_once_cost_one_attempt(
    desk: Desk, start_fake: Fixture, until: Fixture
) -> None:
    task_id = desk.ask("p1", "hangs")
    worker = start_fake(lease_seconds=600.0)
    until(lambda: len(desk.pids("p1")) == 2)
    slot, check = worker.task_slot()
    _, child = desk.pids("p1")
    for pid in (slot, worker.process.pid):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(check))
    end_orphan(child)
    assert desk.record.row(task_id).state == "running", "nobody is left to write anything"
    desk.change("p1", "ready")
    start_fake(lease_seconds=600.0)
    until(lambda: desk.record.row(task_id).state == "succeeded")
    assert desk.record.row(task_id).attempts == 1


@pytest.mark.parametrize("to", ["main", "group"])
def test_a_shutdown_puts_the_task_back_and_leaves_no_process(
    desk: Desk, start_fake: Fixture, until: Fixture, to: str
) -> None:
    task_id = desk.ask("p1", "hangs")
    worker = start_fake()
    until(lambda: len(desk.pids("p1")) == 2)
    family = worker.task_slot()
    if to == "main":
        worker.process.send_signal(signal.SIGTERM)
    else:
        os.killpg(worker.process.pid, signal.SIGINT)
    assert worker.wait() == 0
    assert not any(map(is_alive, [*family, *desk.pids("p1")]))
    row = desk.record.row(task_id)
    assert (row.state, row.attempts) == ("queued", 0)


def test_the_deletion_of_a_parent_ends_its_check(desk: Desk, start_fake: Fixture, until: Fixture) -> None:
    desk.ask("p1", "hangs")
    start_fake()
    until(lambda: len(desk.pids("p1")) == 2)
    with transaction(desk.record.factory) as session:
        assert tasks.cancel_tasks(session, "p1") == 1
    until(lambda: not any(map(is_alive, desk.pids("p1"))))
    after = desk.ask("p2", "ready")
    until(lambda: desk.record.row(after).state == "succeeded")
    assert not (desk.folder / "p1.json").exists()
