"""A student, or its uploaded file, measured by a job of its own: the same figures, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from jobs.settings import Settings
from jobs.state import JobState
from tests.api.conftest import local_client
from tests.fixtures.workers import Worker

pytestmark = pytest.mark.usefixtures("forked_starts")

FIVE = {"name": "digits", "classes": [5, 6, 7, 8, 9]}
MEASURED = {"test_limit": 60}
TRANSFER = {
    "dataset": FIVE,
    "freeze_depth": 2,
    "model": "tiny",
    "preset": "smoke",
    "exports": [],
    "baselines": [],
}
SECONDS = 200.0
BINARY = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def quick(settings: Settings) -> Settings:
    """Leases that a starved machine can keep."""
    return settings.model_copy(
        update={"lease_seconds": 20.0, "renew_seconds": 1.0, "sweep_seconds": 0.5, "threads": 1}
    )


def figures(client: TestClient, job_id: str) -> dict[str, Any]:
    """Of the student, less what is no figure: times, and the fingerprint of the training images."""
    report = client.get(f"/jobs/{job_id}/robustness").json()
    assert report["complete"]
    found: dict[str, Any] = report["student"]["figures"]
    del found["data_fingerprint"]
    for attack in found["attacks"]:
        del attack["seconds"], attack["images_per_second"]
    return found


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_student_measured_alone_has_the_figures_of_its_own_job(
    settings: Settings, start_worker: Callable[..., Worker], in_state: Callable[..., None]
) -> None:
    with local_client(settings) as client:
        made = client.post("/jobs", json=TRANSFER | {"evaluate": MEASURED}).json()["id"]
        start_worker()
        in_state(made, JobState.SUCCEEDED, SECONDS)
        wanted = {"kind": "evaluate", "dataset": FIVE, "preset": "smoke", "evaluate": MEASURED}
        alone = client.post("/jobs", json=wanted | {"network": {"job": made}}).json()["id"]
        in_state(alone, JobState.SUCCEEDED, SECONDS)
        assert figures(client, alone) == figures(client, made)
        network = client.get(f"/jobs/{made}/artifacts/student.safetensors").content
        upload = client.post("/uploads", content=network, headers=BINARY).json()["id"]
        again = client.post("/jobs", json=wanted | {"network": {"upload": upload}, "seed": 0}).json()["id"]
        in_state(again, JobState.SUCCEEDED, SECONDS)
        assert figures(client, again) == figures(client, made)
        names = {artifact["name"] for artifact in client.get(f"/jobs/{alone}/artifacts").json()["data"]}
        assert "report.html" in names and "student.safetensors" not in names
