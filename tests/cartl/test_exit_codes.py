"""What the command ends with, as its reference says."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from cartl import exit_codes
from cartl.http.problems import (
    ClientError,
    FileDamaged,
    JobUnfinished,
    NotUsable,
    ServiceError,
    ServiceUnreachable,
)
from cartl.main import main
from cartl.request import NotARequest
from cartl.serving.up import free_port


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The exit code of the program."""
    monkeypatch.setattr("signal.signal", lambda number, handler: None)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["cartl", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        assert isinstance(end.value.code, int)
        return end.value.code

    return run


def test_nobody_there_is_4(ended: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("jobs", "--url", f"http://127.0.0.1:{free_port()}") == 4
    assert "cartl up" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("jobs", "--url", "nowhere"),
        ("jobs", "--key", "a b"),
        ("watch", "no/id"),
        ("submit",),
        ("submit", "missing.json"),
        ("report", "j1", "--format", "xml"),
        ("nothing",),
        ("jobs", "--limit", "x"),
    ],
)
def test_what_cannot_be_used_is_2(ended: Any, arguments: tuple[str, ...]) -> None:
    assert ended(*arguments) == 2


def test_a_refusal_is_1(ended: Any, service: Any, answer: Any) -> None:
    service.reply = lambda asked: answer(404, {"title": "There is nothing here"})
    assert ended("cancel", "j1", "--url", service.url) == 1


@pytest.mark.parametrize(("state", "code"), [("succeeded", 0), ("failed", 1), ("cancelled", 3)])
def test_a_watched_job_ends_as_it_did(ended: Any, service: Any, answer: Any, state: str, code: int) -> None:
    job: dict[str, Any] = {"id": "j1", "state": state}
    service.reply = lambda asked: answer(200, {"data": []} if "events" in asked.path else job)
    assert ended("watch", "j1", "--url", service.url) == code


ERRORS: dict[ClientError, int] = {
    NotUsable("x"): 2,
    NotARequest("x"): 2,
    ServiceUnreachable("http://h", "x"): 4,
    ServiceError(404, {"title": "x"}): 1,
    FileDamaged("x"): 1,
    JobUnfinished("x"): 1,
    ClientError("x"): 1,
}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_has_a_code_with_a_meaning(error: ClientError) -> None:
    assert exit_codes.of_error(error) == ERRORS[error]
    assert ERRORS[error] in exit_codes.MEANINGS
