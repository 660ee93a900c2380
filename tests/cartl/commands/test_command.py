from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cartl.http.problems import ClientError, NotUsable
from cartl.main import app
from cartl.request import NotARequest, build, data


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_options_win_over_the_file(tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text('{"dataset": "digits", "freeze_depth": 1, "seed": 3}')
    assert build(spec, {"freeze_depth": 0, "tags": [], "name": None}) == {
        "dataset": "digits",
        "freeze_depth": 0,
        "seed": 3,
    }


@pytest.mark.parametrize(
    ("text", "value"), [("digits", "digits"), ("svhn:0,3", {"name": "svhn", "classes": [0, 3]})]
)
def test_a_data_set_with_classes(text: str, value: object) -> None:
    assert data(text) == value


@pytest.mark.parametrize("text", ["{", "[1]", '"x"'])
def test_a_file_that_is_no_request_is_named(tmp_path: Path, text: str) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(text)
    with pytest.raises(NotARequest, match=r"spec\.json"):
        build(spec, {})


def test_what_is_missing_is_said_as_it_is_typed() -> None:
    with pytest.raises(NotARequest, match="--dataset and --freeze-depth"):
        build(None, {})
    with pytest.raises(NotARequest, match="NAME:0,1,2"):
        data("digits:a")


def test_submit_posts_and_prints_the_id(service: Any, answer: Any) -> None:
    service.reply = lambda asked: answer(201, {"id": "j1"})
    result = run(
        *("submit", "--dataset", "digits:0,1", "--freeze-depth", "2", "--tag", "a", "--tag", "b"),
        *("--baseline", "vanilla", "--url", service.url, "--key", "secret"),
    )
    assert (result.exit_code, result.stdout) == (0, "j1\n")
    tried, asked = service.asked
    assert (tried.path, asked.path, tried.body) == ("/jobs?dry_run=true", "/jobs", asked.body)
    assert asked.body == {
        "dataset": {"name": "digits", "classes": [0, 1]},
        "freeze_depth": 2,
        "tags": ["a", "b"],
        "baselines": ["vanilla"],
    }
    assert asked.headers["Authorization"] == "Bearer secret"


def test_auto_is_typed_as_it_is_posted(service: Any, answer: Any) -> None:
    service.reply = lambda asked: answer(201, {"id": "j1"})
    run("submit", "--dataset", "digits", "--method", "auto", "--freeze-depth", "auto", "--url", service.url)
    assert service.asked[0].body == {"dataset": "digits", "method": "auto", "freeze_depth": "auto"}


def test_submit_names_a_teacher(service: Any, answer: Any) -> None:
    service.reply = lambda asked: answer(201, {"id": "j1"})
    run("submit", "--dataset", "birds", "--freeze-depth", "2", "--teacher", "robust", "--url", service.url)
    assert service.asked[0].body == {"dataset": "birds", "freeze_depth": 2, "teacher": "robust"}


def test_a_dry_run_prints_what_it_would_become(service: Any, answer: Any) -> None:
    service.reply = lambda asked: answer(200, {"spec": {"seed": 0}})
    result = run("submit", "--dataset", "digits", "--freeze-depth", "2", "--dry-run", "--url", service.url)
    assert json.loads(result.stdout) == {"spec": {"seed": 0}}


@pytest.mark.parametrize(("state", "code"), [("succeeded", 0), ("failed", 1), ("cancelled", 3)])
def test_watching_ends_with_the_jobs_fate(service: Any, answer: Any, state: str, code: int) -> None:
    job = {"id": "j1", "state": state, "reason": "because"}
    service.reply = lambda asked: answer(200, {"data": []}) if "events" in asked.path else answer(200, job)
    result = run("watch", "j1", "--url", service.url)
    assert result.exit_code == code
    assert f"job j1 {state}" in result.stdout and "because" in result.stdout


def test_events_as_json_lines(service: Any, answer: Any) -> None:
    service.reply = lambda asked: (
        answer(200, 'data: {"number": 1}\n\n', "text/event-stream")
        if "events" in asked.path
        else answer(200, {"id": "j1", "state": "succeeded"})
    )
    result = run("watch", "j1", "--json", "--url", service.url)
    assert (result.exit_code, result.stdout) == (0, '{"number": 1}\n')


DAYS = {"estimate": {"seconds": 3 * 86_400.0, "disk_bytes": 30e6}}


def dear(answer: Any) -> Any:
    """A service on which a job takes days."""
    return lambda asked: answer(200, DAYS) if "dry_run" in asked.path else answer(201, {"id": "j1", **DAYS})


def test_a_job_of_days_is_not_submitted_where_nobody_can_be_asked(service: Any, answer: Any) -> None:
    service.reply = dear(answer)
    with pytest.raises(NotUsable, match=r"about 72 h .*; nothing was submitted; with --yes"):
        run("submit", "--dataset", "digits", "--freeze-depth", "2", "--url", service.url)
    assert [asked.path for asked in service.asked] == ["/jobs?dry_run=true"]


def test_with_yes_it_is_and_its_cost_and_what_comes_next_are_said_beside_the_id(
    service: Any, answer: Any
) -> None:
    service.reply = dear(answer)
    typed = ["submit", "--dataset", "digits", "--freeze-depth", "2", "--url", service.url, "--yes"]
    result = run(*typed)
    assert (result.exit_code, result.stdout) == (0, "j1\n")
    assert result.stderr.splitlines() == [
        "warning: it will take about 72 h 00 min on this service",
        "queued; about 72 h 00 min, 30.0 MB of disk once it runs",
        "next: `cartl watch j1` shows it, `cartl report j1` what it has found, `cartl cancel j1` ends it",
    ]
    assert run(*typed, "--quiet").output == "j1\n"
    assert json.loads(run(*typed, "--json").stdout) == {"id": "j1", **DAYS}


MNIST = {"field": "source", "name": "mnist"}


def test_a_job_whose_data_are_missing_is_refused_with_what_fetches_them(service: Any, answer: Any) -> None:
    data = [{**MNIST, "state": "missing", "size": None, "host": None, "command": "cartl fetch mnist"}]
    service.reply = lambda asked: answer(200, {"data": data})
    with pytest.raises(NotUsable, match=r"files of mnist \(source\) are not there.*`cartl fetch mnist`"):
        run("submit", "--dataset", "digits", "--freeze-depth", "3", "--url", service.url)


def test_what_a_job_downloads_first_is_said(service: Any, answer: Any) -> None:
    data = [{**MNIST, "state": "download", "size": 11_600_000, "host": "example.org", "command": None}]
    service.reply = lambda asked: answer(201, {"id": "j1", "data": data})
    result = run("submit", "--dataset", "digits", "--freeze-depth", "3", "--url", service.url)
    assert (result.exit_code, result.stdout) == (0, "j1\n")
    assert "mnist (source) is downloaded first, 11.6 MB from example.org" in result.stderr


@pytest.mark.parametrize(("said", "posted"), [("y\n", 1), ("n\n", 0)])
def test_on_a_terminal_it_asks(
    service: Any, answer: Any, monkeypatch: pytest.MonkeyPatch, said: str, posted: int
) -> None:
    monkeypatch.setattr("cartl.commands.agreement.can_ask", lambda: True)
    service.reply = dear(answer)
    typed = ["submit", "--dataset", "digits", "--freeze-depth", "2", "--url", service.url]
    result = CliRunner().invoke(app, typed, input=said)
    assert result.exit_code == 1 - posted
    assert sum(asked.path == "/jobs" for asked in service.asked) == posted
    assert "Submit it all the same?" in result.stderr


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_cancel_and_retry_say_the_new_state(service: Any, answer: Any, verb: str) -> None:
    service.reply = lambda asked: answer(200, {"id": "j1", "state": "queued"})
    assert run(verb, "j1", "--url", service.url).stdout == "j1 queued\n"
    assert [(asked.method, asked.path) for asked in service.asked] == [("POST", f"/jobs/j1/{verb}")]


def test_a_priority_may_be_below_zero(service: Any, answer: Any) -> None:
    service.reply = lambda asked: answer(200, {"id": "j1", "state": "queued", **asked.body})
    assert run("priority", "j1", "-5", "--url", service.url).stdout == "j1 priority -5\n"
    (asked,) = service.asked
    assert (asked.method, asked.path, asked.body) == ("PATCH", "/jobs/j1", {"priority": -5})
    for wrong in ("11", "x", "--high"):
        assert run("priority", "j1", wrong, "--url", service.url).exit_code == 2
    assert len(service.asked) == 1


def test_jobs_are_deleted_when_that_is_wanted(
    service: Any, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.reply = lambda asked: answer(204, "", "text/plain")
    with pytest.raises(NotUsable, match="nothing was deleted; with --yes"):
        run("delete", "j1", "--url", service.url)
    monkeypatch.setattr("cartl.commands.agreement.can_ask", lambda: True)
    refused = CliRunner().invoke(app, ["delete", "j1", "--url", service.url], input="n\n")
    assert (refused.exit_code, service.asked) == (1, [])
    assert run("delete", "j1", "j2", "--yes", "--url", service.url).stdout == "deleted j1\ndeleted j2\n"
    assert [(asked.method, asked.path) for asked in service.asked] == [
        ("DELETE", "/jobs/j1"),
        ("DELETE", "/jobs/j2"),
    ]


def test_a_report_in_either_format(service: Any, answer: Any) -> None:
    service.reply = lambda asked: (
        answer(200, "# Report\n", "text/markdown")
        if asked.headers["Accept"] == "text/markdown"
        else answer(200, {"complete": True})
    )
    assert run("report", "j1", "--url", service.url).stdout.rstrip() == "# Report"
    as_json = run("report", "j1", "--format", "json", "--url", service.url)
    assert json.loads(as_json.stdout) == {"complete": True}
    assert run("report", "j1", "--format", "xml", "--url", service.url).exit_code == 2


def test_the_list_stops_at_its_limit(service: Any, answer: Any) -> None:
    service.reply = lambda asked: answer(
        200, {"data": [{"id": f"job{n}", "state": "queued"} for n in range(9)], "next_cursor": "more"}
    )
    result = run("jobs", "--limit", "3", "--url", service.url)
    assert "job2" in result.stdout and "job3" not in result.stdout
    assert len(service.asked) == 1


def test_errors_are_messages_not_tracebacks(service: Any, answer: Any) -> None:
    service.reply = lambda asked: answer(404, {"title": "There is nothing here", "detail": "no job j9"})
    with pytest.raises(ClientError):
        run("cancel", "j9", "--url", service.url)
    done = subprocess.run(
        [sys.executable, "-m", "cartl", "cancel", "j9", "--url", service.url],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (1, "cartl: There is nothing here (404): no job j9\n")
