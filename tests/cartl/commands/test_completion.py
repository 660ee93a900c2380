"""Ids of jobs in a shell: those that fit, and nothing from a service that is slow, silent or hostile."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import typer
from typer.completion import shell_complete
from typer.core import TyperCommand

from cartl.main import app
from cartl.terminal.completion import newest_jobs

STATES = {"aa1": "queued", "aa2": "running", "ab3": "failed", "b4": "succeeded"}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is."""
    monkeypatch.setattr("cartl.terminal.completion.SECONDS", 60.0)


@pytest.fixture
def jobs(service: Any, answer: Any) -> Any:
    rows = [{"id": job, "state": state} for job, state in STATES.items()]
    service.reply = lambda asked: answer(200, {"data": [*rows, {"id": "no id\nat all", "state": "queued"}]})
    return service


def offered(command: str, line: dict[str, Any], incomplete: str) -> set[str]:
    """What is offered for the argument of a command with these parameters typed."""
    root: Any = typer.main.get_command(app)
    found: TyperCommand = root.commands[command]
    (argument,) = [one for one in found.params if one.param_type_name == "argument"][:1]
    context = typer.Context(found)
    context.params.update(line)
    return {item.value for item in argument.shell_complete(context, incomplete)}


def test_each_command_offers_the_jobs_that_it_can_do_something_with(jobs: Any) -> None:
    line = {"url": jobs.url}
    assert offered("show", line, "") == set(STATES)
    assert offered("show", line, "aa") == {"aa1", "aa2"}
    assert offered("cancel", line, "") == {"aa1", "aa2"}
    assert offered("retry", line, "") == {"ab3"}
    assert offered("delete", line | {"jobs": ["b4"]}, "") == {"ab3"}, "what is typed is not offered again"


def test_the_key_and_the_address_come_from_the_surroundings(
    jobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARTL_URL", jobs.url)
    monkeypatch.setenv("CARTL_KEY", "k1")
    assert offered("watch", {}, "b") == {"b4"}
    assert jobs.asked[0].headers["Authorization"] == "Bearer k1"


def test_a_shell_completes_an_id(
    jobs: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As bash asks, which offers whatever is printed."""
    monkeypatch.setenv("COMP_WORDS", f"cartl show --url {jobs.url} aa")
    monkeypatch.setenv("COMP_CWORD", "4")
    root: Any = typer.main.get_command(app)
    assert shell_complete(root, {}, "cartl", "_CARTL_COMPLETE", "complete_bash") == 0
    told = capsys.readouterr()
    assert (set(told.out.split()), told.err) == ({"aa1", "aa2"}, "")


def test_a_service_that_is_not_there_or_answers_nonsense_offers_nothing(service: Any, answer: Any) -> None:
    assert newest_jobs("http://127.0.0.1:1", None) == []
    assert newest_jobs("no address", "no\nkey") == []
    bodies: tuple[Any, ...] = ({"data": [{"id": 7}, "x"]}, [], {"data": [{"id": "a"}]}, {})
    for body in bodies:
        service.reply = lambda asked, body=body: answer(200, body)
        assert newest_jobs(service.url, None) == []
    service.reply = lambda asked: answer(401, {"title": "Who are you?"})
    assert newest_jobs(service.url, None) == []


def test_a_service_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the connection and says nothing, for longer than the client's own patience."""
    monkeypatch.setattr("cartl.terminal.completion.SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setenv("CARTL_URL", f"http://127.0.0.1:{mute.getsockname()[1]}")
        assert offered("show", {}, "") == set()
