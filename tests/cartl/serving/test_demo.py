"""What the demo keeps of the report that the service answers, and which jobs it ends."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from api.report_view import RobustnessReport
from cartl.client import Client
from cartl.demo import demo
from cartl.http.problems import ServiceError
from tests.fixtures.reports import full_report


def test_the_report_is_read_from_the_answer_and_the_answer_is_kept(tmp_path: Path) -> None:
    answer: dict[str, Any] = RobustnessReport.of(full_report()).model_dump(mode="json")
    service = SimpleNamespace(robustness=lambda job: answer, robustness_markdown=lambda job: "# Report\n")
    report = demo._save(cast(Client, service), "job", tmp_path, Console(quiet=True))
    assert report == full_report()
    assert json.loads((tmp_path / "demo-report.json").read_text()) == answer
    assert (tmp_path / "demo-report.md").read_text() == "# Report\n"


def client_that_refuses(status: int, state: str) -> Client:
    def cancel(job: str) -> None:
        raise ServiceError(status, {"title": "No"})

    return cast(Client, SimpleNamespace(cancel=cancel, job=lambda job: {"state": state}))


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_a_job_that_ended_before_it_was_cancelled_is_no_fault(state: str) -> None:
    demo.cancel_unless_over(client_that_refuses(409, state), "job")


@pytest.mark.parametrize(("status", "state"), [(409, "running"), (404, "succeeded"), (503, "queued")])
def test_another_refusal_to_cancel_is_told(status: int, state: str) -> None:
    with pytest.raises(ServiceError):
        demo.cancel_unless_over(client_that_refuses(status, state), "job")
