"""Commands that look: `show`, `models`, `methods`, `workers`, `keys`, `open`, `logs`."""

from __future__ import annotations

import json
import webbrowser
from typing import Any

import pytest
from typer.testing import CliRunner

import cartl.run_log
from cartl.main import app
from cartl.run_log import MISSED, added

JOB = {
    "id": "j1",
    "state": "queued",
    "name": "mine",
    "queue_position": 2,
    "waiting_for": "abcdef" * 8,
    "spec": {
        "dataset": {"name": "digits", "classes": [5, 6]},
        "source": {"name": "mnist", "classes": None},
        "model": {"name": "wrn-16-2"},
        "method": "cartl",
        "freeze_depth": 3,
    },
    "estimate": {"seconds": 750.0, "disk_bytes": 512},
    "worker": None,
}
ANSWERS: dict[str, Any] = {
    "/jobs/j1": JOB,
    "/jobs/j1/artifacts": {"data": [{"name": "report.html", "size": 2_500_000, "sha256": "0" * 64}]},
    "/models": {"data": [{"name": "tiny", "family": "wrn", "blocks": 4, "freeze_depth_max": 3}]},
    "/attacks": {"methods": [{"name": "cartl", "title": "CARTL", "objective": "fdm"}]},
    "/workers": {
        "data": [
            {
                "id": "w1",
                "host": "h",
                "slots": [{"device": "cuda:1", "busy": True, "job": "j9"}, {"device": "cuda:2"}],
            }
        ]
    },
    "/keys": {"data": [{"id": "k1", "owner": "ada", "name": "[/b]", "role": "viewer"}]},
    "/readyz": {"status": "ready"},
}


@pytest.fixture
def known(service: Any, answer: Any) -> Any:
    def reply(asked: Any) -> Any:
        if asked.method == "POST":
            return answer(201, {"id": "k2", **asked.body, "secret": "cartl_secret"})
        if asked.method == "DELETE":
            return answer(204, "", "text/plain")
        return answer(200, ANSWERS[asked.path])

    service.reply = reply
    return service


def run(service: Any, *arguments: str) -> Any:
    return CliRunner().invoke(app, [*arguments, "--url", service.url], catch_exceptions=False)


def test_a_job_is_shown_with_why_it_waits_what_it_costs_and_its_files(known: Any) -> None:
    text = " ".join(run(known, "show", "j1").stdout.split())
    for part in (
        *("job j1 queued", "number 2 in line", "a teacher that another job trains (abcdefabcdef)"),
        *("digits (classes 5, 6)", "wrn-16-2", "about 12 min 30 s, 512 bytes of disk", "report.html 2.5 MB"),
    ):
        assert part in text
    assert json.loads(run(known, "show", "j1", "--json").stdout) == JOB
    assert run(known, "show", "j1", "--quiet").stdout == "queued\n"


@pytest.mark.parametrize(
    ("command", "name", "part"),
    [
        (["models"], "tiny", "0 to 3"),
        (["methods"], "cartl", "fdm"),
        (["workers"], "w1", "job j9"),
        (["keys", "list"], "k1", "[/b]"),
    ],
)
def test_a_list_is_a_table_or_json_or_names(known: Any, command: list[str], name: str, part: str) -> None:
    table = run(known, *command).stdout
    assert name in table and part in table
    if name == "tiny":  # the others go the same way
        assert run(known, *command, "--quiet").stdout == f"{name}\n"
        assert name in str(json.loads(run(known, *command, "--json").stdout)[0])


def test_without_a_worker_it_says_what_that_means(service: Any, answer: Any) -> None:
    service.reply = lambda asked: answer(200, {"data": []})
    assert "queued jobs wait" in run(service, "workers").stdout


def test_a_key_is_made_by_the_service_and_shown_once(known: Any) -> None:
    typed = ["keys", "create", "--over-http", "--owner", "ada", "--role", "viewer", "--name", "n"]
    assert run(known, *typed).stdout == "cartl_secret\n"
    assert known.asked[0].body == {"owner": "ada", "role": "viewer", "name": "n"}
    assert run(known, "keys", "revoke", "k1").stdout == "revoked k1\n"
    assert (known.asked[-1].method, known.asked[-1].path) == ("DELETE", "/keys/k1")


@pytest.mark.parametrize("has_browser", [True, False])
def test_a_page_is_opened_where_there_is_a_browser_and_its_address_is_printed(
    known: Any, monkeypatch: pytest.MonkeyPatch, has_browser: bool
) -> None:
    opened: list[str] = []

    def opens(page: str) -> bool:
        opened.append(page)
        return True

    monkeypatch.setattr(webbrowser, "open", opens)
    monkeypatch.setattr("cartl.commands.about._has_browser", lambda: has_browser)
    page = f"{known.url}/ui/jobs/j1"
    assert run(known, "open", "j1").stdout == f"{page}\n"
    assert opened == [page] * has_browser
    assert json.loads(run(known, "open", "--json").stdout) == {
        "url": f"{known.url}/ui/jobs",
        "opened": has_browser,
    }


def test_a_log_is_followed_to_the_end_of_its_job(
    service: Any, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cartl.run_log, "POLL_SECONDS", 0.0)
    looks = iter([("running", "a\nb\n"), ("running", "a\nb\n"), ("succeeded", "a\nb\nb\n\x1b[2Jc\n")])
    now: list[tuple[str, str]] = []

    def reply(asked: Any) -> Any:
        if "/logs" not in asked.path:
            now[:] = [next(looks)]
            return answer(200, {"id": "j1", "state": now[0][0]})
        return answer(200, now[0][1], "text/plain")

    service.reply = reply
    assert run(service, "logs", "j1", "-f").stdout == "a\nb\nb\n?[2Jc\n"


def test_the_end_of_a_log_is_asked_for_alone(service: Any, answer: Any) -> None:
    service.reply = lambda asked: answer(200, "a\nb\n", "text/plain")
    assert run(service, "logs", "j1", "--tail", "2", "--json").stdout == '"a"\n"b"\n'
    assert [asked.path for asked in service.asked] == ["/jobs/j1/logs?tail=2"]


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ([], ["a"], ["a"]),
        (["a"], ["a"], []),
        (["a", "a"], ["a", "a", "a"], ["a"]),
        (list(map(str, range(100))), list(map(str, range(40, 103))), ["100", "101", "102"]),
        (["a", "b"], ["x", "y"], [MISSED, "x", "y"]),
        (["a", "b"], [], [MISSED]),
    ],
)
def test_the_lines_that_are_new(before: list[str], now: list[str], expected: list[str]) -> None:
    assert added(before, now) == expected
