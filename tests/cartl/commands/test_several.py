"""`cartl watch` of several jobs: how far each is and what is left, until all have ended."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cartl.main import app
from cartl.terminal.jobs_at_work import JobsAtWork

STORY: dict[str, list[dict[str, Any]]] = {
    "j1": [{"state": "running", "fraction": 0.25, "seconds_left": 75.0}, {"state": "succeeded"}],
    "j2": [
        {"state": "queued", "queue_position": 2, "name": "[/b]"},
        {"state": "running", "fraction": 0.5, "seconds_left": 30.0},
        {"state": "failed", "reason": "loss_not_finite", "message": "the loss is nan"},
    ],
}


@pytest.fixture
def at_work(service: Any, answer: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("cartl.several.time.sleep", lambda seconds: None)
    looks = {job: iter(states) for job, states in STORY.items()}

    def reply(asked: Any) -> Any:
        job = asked.path.rpartition("/")[2]
        return answer(200, {"id": job, **next(looks[job])})

    service.reply = reply
    return service


def test_each_job_has_lines_with_its_time_left(at_work: Any) -> None:
    done = CliRunner().invoke(app, ["watch", "j1", "j2", "j1", "--url", at_work.url])
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "2 jobs: 1 queued, 1 running",
        "j1: [25 %] running, 1 min 15 s left",
        "[/b]: queued, number 2 in line",
        "2 jobs: 1 running, 1 succeeded",
        "[/b]: [50 %] running, 30 s left",
        "2 jobs: 1 succeeded, 1 failed",
        "job j1 succeeded",
        "job j2 failed - loss_not_finite - the loss is nan",
    ]
    asked = [one.path for one in at_work.asked]
    assert asked.count("/jobs/j1") == 2 and asked.count("/jobs/j2") == 3, "what has ended is not asked again"


def test_as_json_each_change_is_a_line(at_work: Any) -> None:
    done = CliRunner().invoke(app, ["watch", "j1", "j2", "--json", "--url", at_work.url])
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(job["id"], job["state"]) for job in told] == [
        ("j1", "running"),
        ("j2", "queued"),
        ("j1", "succeeded"),
        ("j2", "running"),
        ("j2", "failed"),
    ]


def test_on_a_terminal_the_time_left_runs_down_between_two_looks() -> None:
    now = [0.0]
    page = JobsAtWork(clock=lambda: now[0])
    jobs: list[dict[str, Any]] = [
        {"id": "old", "state": "succeeded", "fraction": 1.0, "seconds_left": 5.0},
        {"id": "mine", "state": "running", "fraction": 0.5, "seconds_left": 90.0, "name": "[bold]\x1b"},
        *({"id": f"more{number}", "state": "queued"} for number in range(30)),
    ]
    page.progress("sweep s1: 1 running", jobs)
    now[0] = 30.0
    out = io.StringIO()
    Console(file=out, width=100, height=14).print(page)
    lines = out.getvalue().splitlines()
    assert lines[0].rstrip() == "sweep s1: 1 running"
    assert lines[1].split() == ["[bold]\\u001b", "running", "50", "%", "1", "min", "00", "s", "left"], (
        "those at work first"
    )
    assert lines[2].split() == ["old", "succeeded", "100", "%"]
    assert lines[-1].strip() == "and 22 more"
    page.away(12.0)
    out.truncate(0)
    Console(file=out, width=100).print(page)
    assert "away for 12 s" in out.getvalue() and "1 min 30 s left" in out.getvalue()
