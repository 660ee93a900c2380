"""How much faster an attack in parts is: ``python -m benchmarks.fan_out``, 1 and 2 slots of one thread each.

Real workers on a database of their own run the same evaluation of an untrained network. An attack's wall time
is from the first part's claim to the last part's end; the whole job's is beside it. Accuracies must agree.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from jobs.database.engine import make_engine, migrate, reading, session_factory
from jobs.settings import Settings
from jobs.state import JobState
from jobs.store import find
from jobs.store.shards import SHARD
from jobs.tables import Task
from tests.api.conftest import local_client
from tests.fixtures.brought import network_file

SHARDS = 4
LONGEST_SECONDS = 3600.0
BINARY = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True)
class Timing:
    """Seconds of wall time, and the share of images that stood."""

    attack: float
    job: float
    robust: float


def request(images: int, steps: int) -> dict[str, Any]:
    """An evaluation that is one attack; no image falls early, so that every part has the same to do."""
    attack = {"name": "pgd", "label": "pgd", "eps": 0.001, "step": 0.0005, "steps": steps}
    return {
        "kind": "evaluate",
        "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
        "preset": "smoke",
        "evaluate": {
            "attacks": [attack],
            "test_limit": images,
            "batch_size": max(1, images // (2 * SHARDS)),
            "curve": None,
            "corruptions": None,
            "checks": None,
        },
    }


def timed(slots: int, wanted: dict[str, Any]) -> Timing:
    """Run the job on a worker with so many slots."""
    with tempfile.TemporaryDirectory(prefix="cartl-fan-out-", ignore_cleanup_errors=True) as folder:
        settings = Settings(
            data_dir=Path(folder),
            devices=",".join(["cpu"] * slots),
            threads=1,
            evaluation_shards=SHARDS,
            sweep_seconds=0.5,
        )
        settings.make_directories()
        engine = make_engine(settings)
        migrate(engine)
        with local_client(settings) as client:
            network = network_file(Path(folder) / "network.safetensors").read_bytes()
            upload = client.post("/uploads", content=network, headers=BINARY).json()["id"]
            job_id = client.post("/jobs", json=wanted | {"network": {"upload": upload}}).json()["id"]
            with _worker(settings):
                _wait(settings, job_id)
            report = client.get(f"/jobs/{job_id}/robustness").json()
        with reading(session_factory(engine)) as session:
            job = find(session, job_id)
            parts = session.execute(select(Task).where(Task.kind == SHARD)).scalars().all()
        engine.dispose()
    begun = min(part.started_at for part in parts if part.started_at)
    ended = max(part.finished_at for part in parts if part.finished_at)
    whole = job.finished_at - job.started_at if job.finished_at and job.started_at else ended - begun
    robust = float(report["student"]["figures"]["attacks"][0]["robust"]["value"])
    return Timing((ended - begun).total_seconds(), whole.total_seconds(), robust)


class _worker:  # noqa: N801  used as a function
    """A worker process, ended at the end of the block."""

    def __init__(self, settings: Settings) -> None:
        values = settings.model_dump(mode="json").items()
        given = {f"CARTL_{name.upper()}": str(value) for name, value in values if value is not None}
        self._environment = {**os.environ, **given}

    def __enter__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "worker"], env=self._environment)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(60)


def _wait(settings: Settings, job_id: str) -> None:
    factory = session_factory(make_engine(settings))
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        with reading(factory) as session:
            state = JobState(find(session, job_id).state)
        if state == JobState.SUCCEEDED:
            return
        if state.is_terminal:
            sys.exit(f"the job ended as {state}")
        time.sleep(0.2)
    sys.exit("the job did not end")


def main() -> None:
    """Print the times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--steps", type=int, default=1000)
    options = parser.parse_args()
    wanted = request(options.images, options.steps)
    one, two = timed(1, wanted), timed(2, wanted)
    if one.robust != two.robust:
        sys.exit(f"the robust accuracies differ: {one.robust} and {two.robust}")
    for slots, timing in ((1, one), (2, two)):
        sys.stdout.write(f"{slots} slots: attack {timing.attack:.1f} s, whole job {timing.job:.1f} s\n")
    sys.stdout.write(f"times as fast: attack {one.attack / two.attack:.2f}, job {one.job / two.job:.2f}\n")


if __name__ == "__main__":
    main()
