"""A host is drained as docs/how-to/operate.md says: its job goes on elsewhere, and it takes no other."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.settings import Settings
from jobs.state import JobState
from tests.api.conftest import local_client
from tests.fixtures.documents import ROOT
from tests.fixtures.workers import Record, Worker
from worker.host.identity import is_alive

FAKE_WORKER = Path(__file__).parents[1] / "worker/fake_worker.py"
PAGE = ROOT / "docs/how-to/operate.md"
COMMAND = re.compile(r"^## Drain a host\n\n`(kill -\w+)` of the process", re.MULTILINE)


@pytest.fixture
def backend() -> str:
    """What is tested here does not depend on the database."""
    return "sqlite"


def drain(worker: Worker) -> None:
    """The page's command."""
    found = COMMAND.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    subprocess.run([*found[1].split(), str(worker.process.pid)], check=True)


def ids(workers: dict[str, Any]) -> list[str]:
    return [worker["id"] for worker in workers["data"]]


def test_the_job_of_a_drained_host_ends_on_another_one(
    record: Record,
    quick: Settings,
    start_worker: Callable[..., Worker],
    in_state: Callable[..., None],
    until: Callable[..., None],
) -> None:
    job_id = record.submit("local", name="drain go_on")
    first = start_worker([str(FAKE_WORKER)])
    until(lambda: "checkpoint_written" in record.types(job_id))
    family = [*first.runs(), *first.pool()]
    with local_client(quick) as client:
        (drained,) = record.living_workers()
        start_worker([str(FAKE_WORKER)])
        until(lambda: len(record.living_workers()) == 2)
        drain(first)
        later = record.submit()
        assert first.wait() == 0
        assert [pid for pid in family if is_alive(pid)] == []
        assert drained not in ids(client.get("/workers").json())
        (left,) = record.living_workers()
        for one in (job_id, later):
            in_state(one, JobState.SUCCEEDED)
        found = client.get(f"/jobs/{job_id}/artifacts/left.json")
    assert found.status_code == 200, found.text
    assert left != drained
    assert claimed_by(record, job_id) == [drained, left]
    assert claimed_by(record, later) == [left]
    assert record.job(job_id).attempts_used == 0
    assert found.json() == ["weights", "weights"], "both checkpoints: the last one was written for the drain"


def claimed_by(record: Record, job_id: str) -> list[str]:
    return [str(event.body["worker"]) for event in record.events(job_id) if event.type == "claimed"]
