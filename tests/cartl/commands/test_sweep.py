"""`cartl sweep`: posts, watches, prints the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cartl.http.problems import NotUsable, ServiceError
from cartl.main import app
from cartl.request import NotARequest
from cartl.sweep import all_ended, where

REQUEST = {"base": {"dataset": "digits"}, "grid": {"freeze_depth": [1, 2]}}
AT_WORK = {"id": "j2", "state": "running", "stage": "robustness", "fraction": 0.4, "seconds_left": 90.0}
TABLE = "# Sweep\n\n| method |\n|---|\n| CARTL |\n"


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def sweep_of(**states: int) -> dict[str, Any]:
    known = {"queued": 0, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 0} | states
    return {"id": "s1", "states": known, "jobs": sum(states.values()), "fraction": 0.5}


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "sweep.json"
    path.write_text(json.dumps(REQUEST))
    return str(path)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cartl.sweep.time.sleep", lambda seconds: None)


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ({"succeeded": 2}, 0),
        ({"succeeded": 1, "failed": 1}, 1),
        ({"cancelled": 1, "failed": 1}, 1),
        ({"succeeded": 1, "cancelled": 1}, 3),
    ],
)
def test_it_posts_watches_and_prints_the_table(
    service: Any, answer: Any, file: str, last: dict[str, int], code: int
) -> None:
    seen = [
        sweep_of(queued=2),
        sweep_of(queued=1, running=1),
        sweep_of(queued=1, running=1),
        sweep_of(**last),
    ]

    def reply(asked: Any) -> Any:
        if asked.method == "POST":
            return answer(201, sweep_of(queued=2))
        if "markdown" in asked.headers["Accept"]:
            return answer(200, TABLE, type="text/markdown")
        if asked.path.startswith("/jobs"):
            return answer(200, {"data": [AT_WORK]})
        return answer(200, seen.pop(0))

    service.reply = reply
    result = run("sweep", file, "--url", service.url)
    assert result.exit_code == code
    lines = result.stdout.partition(TABLE)[0].splitlines()
    assert lines[:3] == [
        "sweep s1: 2 queued",
        "sweep s1: 1 queued, 1 running",
        "j2: [40 %] robustness, 1 min 30 s left",
    ]
    assert len(lines) == 4, "nothing is said twice"
    assert TABLE in result.stdout
    assert service.asked[0].body == REQUEST
    asked = [asked.path for asked in service.asked]
    assert asked[:2] == ["/sweeps?dry_run=true", "/sweeps"]
    assert asked.count("/sweeps/s1") == 5 and asked.count("/jobs?sweep=s1&state=running") == 2


def test_a_sweep_that_exists_is_shown_again(service: Any, answer: Any) -> None:
    def reply(asked: Any) -> Any:
        if "markdown" in asked.headers["Accept"]:
            return answer(200, TABLE, type="text/markdown")
        return answer(200, sweep_of(succeeded=2))

    service.reply = reply
    assert run("sweep", "s1", "--url", service.url).exit_code == 0
    assert {asked.method for asked in service.asked} == {"GET"}


def test_only_counting_or_only_posting(service: Any, answer: Any, file: str) -> None:
    service.reply = lambda asked: answer(200, {"id": "s1", "jobs": 2})
    dry = run("sweep", file, "--dry-run", "--url", service.url)
    assert json.loads(dry.stdout)["jobs"] == 2
    assert service.asked[0].path == "/sweeps?dry_run=true"
    detached = run("sweep", file, "--detach", "--url", service.url)
    assert detached.stdout == "s1\n"


def test_it_warns_before_its_data_is_missing_and_says_what_is_downloaded(
    service: Any, answer: Any, file: str
) -> None:
    fetched = {"field": "source", "name": "mnist", "state": "download", "size": 11_600_000, "host": "h.org"}
    missing = {"field": "dataset", "name": "gtsrb", "state": "missing", "command": "cartl fetch gtsrb"}
    told = {"id": "s1", "jobs": 2, "data": [fetched, missing]}
    service.reply = lambda asked: answer(200, told)
    with pytest.raises(NotUsable, match=r"files of gtsrb \(dataset\) are not there.*cartl fetch gtsrb"):
        run("sweep", file, "--url", service.url)
    assert [asked.path for asked in service.asked] == ["/sweeps?dry_run=true"]
    done = run("sweep", file, "--yes", "--detach", "--url", service.url)
    assert done.exit_code == 0 and service.asked[-1].path == "/sweeps"
    for said in (done.stderr, run("sweep", file, "--dry-run", "--url", service.url).stderr):
        assert "mnist (source) is downloaded first, 11.6 MB from h.org" in said
        assert "warning: the files of gtsrb (dataset) are not there" in said


def test_a_file_that_is_no_request_and_an_id_that_is_none(service: Any, answer: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("[]")
    with pytest.raises(NotARequest, match=r"broken\.json"):
        run("sweep", str(broken), "--url", service.url)
    service.reply = lambda asked: answer(404, {"title": "There is nothing here"})
    with pytest.raises(ServiceError, match="nothing here"):
        run("sweep", "none", "--url", service.url)


def test_where_its_jobs_are() -> None:
    assert where(sweep_of(queued=1, running=2)) == "sweep s1: 1 queued, 2 running"
    assert not all_ended(sweep_of(succeeded=1, queued=1))
    assert all_ended(sweep_of(succeeded=1, failed=1, cancelled=1))
