"""`cartl webhooks`: registered with a secret that is shown once, listed, shown with the log, deleted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from cartl.main import app

HOOK = {"id": "h1", "url": "https://example.com/[b]", "events": ["job.failed"], "created_at": "2026-01-01"}
REFUSED = {
    "id": "msg_1",
    "event": "job.failed",
    "job": "j1",
    "state": "pending",
    "attempts": 2,
    "status": 503,
    "next_attempt_at": "2026-01-02",
}
UNREACHED = {"id": "msg_2", "event": "job.failed", "job": "j2", "state": "given_up", "error": "no such host"}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def known(service: Any, answer: Any) -> Any:
    def reply(asked: Any) -> Any:
        if asked.method == "POST":
            return answer(201, {**HOOK, **asked.body, "secret": SECRET})
        if asked.method == "DELETE":
            return answer(204, "", "text/plain")
        if "/deliveries" in asked.path:
            return answer(200, {"data": [REFUSED, UNREACHED]})
        return answer(200, HOOK if asked.path == "/webhooks/h1" else {"data": [HOOK]})

    service.reply = reply
    return service


def run(service: Any, *arguments: str) -> Any:
    command = ["webhooks", *arguments, "--url", service.url]
    return CliRunner().invoke(app, command, catch_exceptions=False)


def test_the_secret_of_a_new_one_is_printed_alone(known: Any) -> None:
    done = run(known, "add", "https://example.com/x", "--event", "job.failed", "--event", "job.cancelled")
    assert done.stdout == f"{SECRET}\n" and "webhook h1" in done.stderr and SECRET not in done.stderr
    assert known.asked[0].body == {
        "url": "https://example.com/x",
        "events": ["job.failed", "job.cancelled"],
    }
    as_json = run(known, "add", "https://example.com/x", "--json")
    assert json.loads(as_json.stdout)["secret"] == SECRET and as_json.stderr == ""
    assert known.asked[1].body == {"url": "https://example.com/x"}


def test_the_list_and_one_with_what_came_of_its_messages(known: Any) -> None:
    assert "https://example.com/[b]" in run(known, "list").stdout
    assert run(known, "list", "--quiet").stdout == "h1\n"
    shown = run(known, "show", "h1", "--last", "5").stdout
    assert known.asked[-1].path == "/webhooks/h1/deliveries?limit=5"
    for part in ("job.failed", "j1", "pending", "503", "2026-01-02", "given_up", "no such host"):
        assert part in shown
    assert json.loads(run(known, "show", "h1", "--json").stdout)["deliveries"] == [REFUSED, UNREACHED]
