"""A sweep from the request to its table, through a real worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.main import create_app
from jobs.settings import Settings
from jobs.state import JobState
from tests.fixtures.workers import Record, Worker

pytestmark = pytest.mark.usefixtures("forked_starts")

SECONDS = 120.0
BODY: dict[str, Any] = {
    "base": {
        "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
        "freeze_depth": 2,
        "model": "tiny",
        "preset": "smoke",
        "exports": [],
    },
    "grid": {"method": ["vanilla", "neft"]},
    "margin": 1.0,
}


@pytest.mark.parametrize("backend", ["sqlite"])
def test_two_settings_share_a_teacher_and_are_compared(
    quick: Settings,
    record: Record,
    start_worker: Callable[..., Worker],
    in_state: Callable[..., None],
) -> None:
    local = {"base_url": "http://127.0.0.1:8000", "client": ("127.0.0.1", 50000)}
    with TestClient(create_app(quick), **local) as client:  # type: ignore[arg-type]
        posted = client.post("/sweeps", json=BODY).json()
        path = posted["links"]["self"]
        start_worker(lease_seconds=6.0, renew_seconds=1.0, threads=1)
        for row in posted["table"]["rows"]:
            in_state(row["jobs"][0], JobState.SUCCEEDED, SECONDS)
        sweep = client.get(path).json()
        shown = client.get(path, headers={"Accept": "text/markdown"}).text
    assert sweep["states"]["succeeded"] == 2
    rows = sweep["table"]["rows"]
    jobs = [row["jobs"][0] for row in rows]
    reports = [record.job(job_id).report for job_id in jobs]
    students = [report["student"] for report in reports if report is not None]
    for row, student in zip(rows, students, strict=True):
        assert row["setting"]["method"] == student["method"]
        assert row["validation"]["robust"]["value"] == student["validation"]["robust"]["value"]
    best = max(range(2), key=lambda at: (*_figures(rows[at]), -at))
    assert [row["best"] for row in rows] == [at == best for at in range(2)]
    assert rows[best]["test"]["robust"]["value"] == students[best]["figures"]["worst_case"]["value"]
    assert [row["test"] is not None for row in rows] == [row["best"] or row["on_front"] for row in rows]
    assert len({report["teachers"][0]["digest"] for report in reports if report is not None}) == 1
    trained = [
        event.body["label"]
        for job_id in jobs
        for event in record.events(job_id)
        if event.type == "stage_finished" and event.body["stage"] == "pretrain" and not event.body["reused"]
    ]
    assert trained == ["teacher (at)"]
    assert "| plain transfer | 2 | 3 |" in shown


def _figures(row: dict[str, Any]) -> tuple[float, float]:
    """What is compared where the margin takes all in: robust first, then clean."""
    measured = row["validation"]
    return measured["robust"]["value"], measured["clean"]["value"]
