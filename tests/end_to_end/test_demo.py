"""`cartl demo` from choice to report, on a pair of seconds in place of the real one. No network is used."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cartl.client import Client
from cartl.demo import demo, pairs
from cartl.serving.up import Service, Settings, free_port

pytestmark = pytest.mark.usefixtures("forked_starts")

SMALL_REQUEST = {
    "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9], "train_limit": 60},
    "source": {"name": "digits", "classes": [0, 1, 2, 3, 4], "train_limit": 60},
    "freeze_depth": 2,
    "preset": "smoke",
    "exports": [],
    "pretrain": {"epochs": 1},
    "transfer": {"epochs": 1},
    "evaluate": {"test_limit": 20, "source_test_limit": 20},
    "tags": ["demo"],
}
SMALL = replace(pairs.DIGITS, request=SMALL_REQUEST)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    inherited = Settings(tmp_path).inherited
    kept = {name: value for name, value in inherited.items() if not name.startswith("CARTL_")}
    return Settings(tmp_path / "data", port=free_port(), inherited={**kept, "CARTL_THREADS": "1"})


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets a test say which pair is chosen."""

    def choose(pair: pairs.Pair) -> None:
        monkeypatch.setattr(
            pairs, "choose", lambda *args, **kwargs: pairs.ChosenPair(pair, "the test says so")
        )

    return choose


def run(settings: Settings) -> tuple[int, str]:
    out = io.StringIO()
    code = demo.run(settings, Console(file=out, width=100, highlight=False))
    return code, out.getvalue()


def test_the_report_is_printed_and_kept_and_a_second_run_reuses_what_was_trained(
    settings: Settings, chosen: Any
) -> None:
    chosen(SMALL)
    code, said = run(settings)
    assert code == 0, said
    report = settings.data_dir / "demo-report.md"
    printed = [line.strip() for line in said.splitlines()]
    assert "the test says so" in said and settings.url in said
    for line in report.read_text().splitlines():
        assert line.strip() in printed
    kept = json.loads(report.with_suffix(".json").read_text())
    assert kept["complete"] is True
    assert str(report) in said
    assert "teacher (at): reused" not in said

    # Promises are for real pairs: this one cannot keep them, and the demo must say so and fail.
    chosen(replace(SMALL, has_acceptance_criteria=True))
    code, said = run(replace(settings, port=free_port()))
    assert code == 1
    assert "BROKEN" in said
    assert "teacher (at): reused" in said and "teacher (fdm): reused" in said


def test_an_interrupted_demo_goes_on_with_its_job_and_drops_those_of_another_pair(settings: Settings) -> None:
    """Posting and adopting alone, against the API: no worker takes the jobs meanwhile."""
    out = io.StringIO()
    console = Console(file=out, width=100)
    with Service(settings) as service:
        worker = next(process for process in service.processes if process.name == "worker")
        worker.stop(30)
        with Client(settings.url) as client:
            other = client.submit({**SMALL_REQUEST, "seed": 7})["id"]
            mine = client.submit({**SMALL_REQUEST, "tags": []})["id"]
            first = demo.adopt_or_post(client, SMALL, console)
            again = demo.adopt_or_post(client, SMALL, console)
            assert first == again and first not in (other, mine)
            assert client.job(other)["state"] == "cancelled"
            assert client.job(mine)["state"] == "queued"
    assert "was interrupted" in out.getvalue()


def test_a_job_that_fails_fails_the_demo_with_its_reason(settings: Settings, chosen: Any) -> None:
    missing = {"name": "cifar10", "classes": [0, 1]}
    chosen(replace(SMALL, request={**SMALL_REQUEST, "dataset": missing}))
    code, said = run(replace(settings, inherited={**settings.inherited, "CARTL_DOWNLOAD": "false"}))
    assert code == 1
    assert "failed - dataset_missing" in said
    assert not (settings.data_dir / "demo-report.md").exists()
