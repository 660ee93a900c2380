"""An evaluation in four parts on two slots, a part's worker killed: one report, the figures of the whole."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

import cartl_core
from jobs.database.engine import reading
from jobs.settings import Settings
from jobs.state import JobState
from jobs.store.shards import SHARD, ShardOrder
from jobs.tables import Task
from tests.api.conftest import local_client
from tests.fixtures.brought import network_file
from tests.fixtures.workers import Record, Worker

pytestmark = pytest.mark.usefixtures("forked_starts")

ATTACK = {"name": "pgd", "label": "pgd5", "eps": 0.01, "step": 0.004, "steps": 5}
MEASURED = {
    "attacks": [ATTACK],
    "test_limit": 60,
    "batch_size": 15,
    "curve": None,
    "corruptions": None,
    "checks": None,
}
WANTED = {
    "kind": "evaluate",
    "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
    "preset": "smoke",
    "evaluate": MEASURED,
}
SECONDS = 600.0
"""Some nine processes that load torch, on a machine that may be busy."""
BINARY = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def quick(settings: Settings) -> Settings:
    """Two slots of one thread that cut an attack in four."""
    return settings.model_copy(
        update={
            "lease_seconds": 20.0,
            "renew_seconds": 1.0,
            "sweep_seconds": 0.3,
            "threads": 1,
            "devices": "cpu,cpu",
            "evaluation_shards": 4,
        }
    )


def tasks_of(factory: sessionmaker[Session], job_id: str) -> list[Task]:
    with reading(factory) as session:
        found = (
            select(Task)
            .where(Task.parent_id == job_id, Task.kind == SHARD)
            .order_by(Task.created_at, Task.id)
        )
        return list(session.execute(found).scalars())


def figures_of(report: dict[str, Any]) -> dict[str, Any]:
    """Less what is no figure: times."""
    found: dict[str, Any] = report["student"]["figures"]
    for attack in found["attacks"]:
        del attack["seconds"], attack["images_per_second"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["sqlite"])
def test_four_parts_give_the_report_of_the_whole_though_a_worker_of_one_is_killed(
    settings: Settings,
    factory: sessionmaker[Session],
    record: Record,
    start_worker: Callable[..., Worker],
    in_state: Callable[..., None],
    until: Callable[..., None],
    tmp_path: Path,
) -> None:
    file = network_file(tmp_path / "network.safetensors")
    with local_client(settings) as client:
        upload = client.post("/uploads", content=file.read_bytes(), headers=BINARY).json()["id"]
        wanted = WANTED | {"network": {"upload": upload}}
        job_id = client.post("/jobs", json=wanted).json()["id"]
        start_worker()
        until(lambda: any(task.state == "running" for task in tasks_of(factory, job_id)))
        in_state(job_id, JobState.QUEUED)  # it holds no slot
        struck = next(task for task in tasks_of(factory, job_id) if task.state == "running")
        assert struck.supervisor_pid is not None
        os.kill(struck.supervisor_pid, signal.SIGKILL)
        in_state(job_id, JobState.SUCCEEDED, SECONDS)
        report = client.get(f"/jobs/{job_id}/robustness").json()
    parts = tasks_of(factory, job_id)
    assert sorted((ShardOrder.of(task.payload).first, task.state) for task in parts) == [
        (first, "succeeded") for first in (0, 15, 30, 45)
    ]
    assert {task.id: task.attempts for task in parts} == {
        task.id: int(task.id == struck.id) for task in parts
    }
    job = record.job(job_id)
    assert (job.attempts_used, record.types(job_id).count("claimed")) == (0, 2)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        whole = cartl_core.run(wanted, out=tmp_path / "whole", network=file, data_root=settings.data_root)
    finally:
        torch.set_num_threads(before)
    assert figures_of(report) == figures_of(whole.model_dump(mode="json"))
    assert 0 < report["student"]["figures"]["attacks"][0]["robust"]["value"] < 1
