"""What the demo keeps of the report that the service answers."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from rich.console import Console

from api.report_view import RobustnessReport
from cartl.client import Client
from cartl.demo import demo
from tests.fixtures.reports import full_report


def test_the_report_is_read_from_the_answer_and_the_answer_is_kept(tmp_path: Path) -> None:
    answer: dict[str, Any] = RobustnessReport.of(full_report()).model_dump(mode="json")
    service = SimpleNamespace(robustness=lambda job: answer, robustness_markdown=lambda job: "# Report\n")
    report = demo._save(cast(Client, service), "job", tmp_path, Console(quiet=True))
    assert report == full_report()
    assert json.loads((tmp_path / "demo-report.json").read_text()) == answer
    assert (tmp_path / "demo-report.md").read_text() == "# Report\n"
