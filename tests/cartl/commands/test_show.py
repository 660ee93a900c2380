from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

import cartl.http.patience
import cartl.show
from cartl.client import Client
from cartl.http.problems import ServiceError
from cartl.show import follow, show_jobs, show_report
from cartl.terminal.dashboard import Dashboard
from cartl.words import doing, duration, event_line, expected, time_left

EVENTS: list[dict[str, Any]] = [
    {"number": 1, "type": "submitted", "body": {}},
    {"number": 2, "type": "stage_started", "body": {"label": "teacher (at)", "resumed_at": None}},
    {"number": 3, "type": "checkpoint_written", "body": {}},
    {
        "number": 4,
        "type": "epoch_finished",
        "body": {"label": "teacher (at)", "epoch": 1, "epochs": 5, "metrics": {"robust_accuracy": 0.5}},
    },
    {
        "number": 5,
        "type": "stage_finished",
        "body": {"label": "teacher (at)", "reused": True, "seconds": 0.0},
    },
]
JOBS: list[dict[str, Any]] = [
    {"id": "j1", "state": "queued", "queue_position": 3, "fraction": None},
    {"id": "j1", "state": "running", "stage_label": "teacher (at)", "fraction": 0.4, "seconds_left": 95.0},
    {"id": "j1", "state": "succeeded", "stage_label": None, "fraction": 1.0},
]


@pytest.fixture
def watched(service: Any, answer: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A job that is queued, then runs, then has succeeded."""
    monkeypatch.setattr(cartl.show, "POLL_SECONDS", 0.01)
    jobs = iter(JOBS)

    def reply(asked: Any) -> Any:
        path, _, query = asked.path.partition("?after=")
        if path.endswith("/events"):
            return answer(200, {"data": [event for event in EVENTS if event["number"] > int(query)]})
        return answer(200, next(jobs))

    service.reply = reply
    return service


def console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, highlight=False)


def written(to: Console) -> str:
    assert isinstance(to.file, io.StringIO)
    return to.file.getvalue()


def test_plain_lines_tell_each_event_once_and_each_change_of_stage(watched: Any) -> None:
    out = console(terminal=False)
    with Client(watched.url) as client:
        job = follow(client, "j1", out)
    assert job["state"] == "succeeded"
    assert written(out).splitlines() == [
        "submitted",
        "teacher (at): started",
        "teacher (at): epoch 1 of 5, robust accuracy 0.500",
        "teacher (at): reused from an earlier run, nothing to compute",
        "queued, number 3 in line",
        "[40 %] teacher (at), 1 min 35 s left",
    ]


def test_a_terminal_gets_one_page_with_stages_percent_and_time_left(watched: Any) -> None:
    out = console(terminal=True)
    with Client(watched.url) as client:
        follow(client, "j1", out)
    for text in ("number 3 in line", " left", "40 %", "from an earlier run", "j1: succeeded"):
        assert text in written(out)


class Away:
    """A service that tells one event, stops answering for a while, and has a second event then."""

    def __init__(self, answer: Any, *silences: int) -> None:
        self.answer, self.silences = answer, list(silences)
        self.looked = False

    def __call__(self, asked: Any) -> Any:
        path, _, query = asked.path.partition("?after=")
        if path.endswith("/events"):
            self.looked = True
            known = range(int(query) + 1, 2 if self.silences else 3)
            told = [
                {"number": number, "type": "warned", "body": {"message": f"w{number}"}} for number in known
            ]
            return self.answer(200, {"data": told})
        if self.looked and self.silences:
            return self.answer(self.silences.pop(0), {"title": "Not yet"})
        return self.answer(200, {"id": "j1", "state": "succeeded" if self.looked else "running"})


@pytest.mark.parametrize("terminal", [False, True])
def test_a_restart_of_the_service_is_waited_for(
    service: Any, answer: Any, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    """What it answers while it starts, and what the proxy in front of it does, is no end."""
    monkeypatch.setattr(cartl.show, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(cartl.http.patience, "PAUSES", (0.0,))
    service.reply = Away(answer, 503, 502, 504, 429)
    out = console(terminal=terminal)
    with Client(service.url) as client:
        assert follow(client, "j1", out)["state"] == "succeeded"
    text = written(out)
    assert "w1" in text and "w2" in text
    if not terminal:
        lines = text.splitlines()
        assert lines.count("the service does not answer; trying again") == 1
        assert [line for line in lines if "warning" in line] == ["warning: w1", "warning: w2"]
        assert "the service answers again" in lines


@pytest.mark.parametrize("status", [404, 401, 500])
def test_a_refusal_is_not_waited_for(service: Any, answer: Any, status: int) -> None:
    service.reply = Away(answer, status)
    with Client(service.url) as client, pytest.raises(ServiceError, match="Not yet"):
        follow(client, "j1", console(terminal=False))


def test_a_page_shows_stages_as_a_timeline_and_the_time_left_runs() -> None:
    seconds = iter([0.0, 10.0, 15.0])
    page = Dashboard(clock=lambda: next(seconds))
    for event in (
        *EVENTS,
        {
            "number": 6,
            "type": "epoch_finished",
            "body": {"label": "student", "epoch": 2, "epochs": 9, "metrics": {"robust_accuracy": 0.25}},
        },
        {"number": 7, "type": "warned", "body": {"message": "few images"}},
        {"number": 8, "type": "epoch_finished", "body": {"label": "student", "metrics": None}},
    ):
        page.event(event)
    page.progress({**JOBS[1], "name": "mine"})
    out = console(terminal=False)
    out.print(page)
    lines = [" ".join(line.split()) for line in written(out).splitlines()]
    assert lines[:3] == [
        "mine: teacher (at)",
        "reused teacher (at) from an earlier run robust accuracy 0.500",
        "at work student epoch 2 of 9 robust accuracy 0.250",
    ]
    assert lines[3].endswith("40 % 1 min 30 s left")
    assert lines[4:] == ["submitted", "warning: few images"]


def test_what_the_tick_raises_ends_the_watching(watched: Any) -> None:
    def tick() -> None:
        raise InterruptedError

    with Client(watched.url) as client, pytest.raises(InterruptedError):
        follow(client, "j1", console(terminal=False), tick)


def test_a_report_is_itself_where_there_is_no_terminal() -> None:
    out = console(terminal=False)
    text = "# Title\n\n| a | b |\n|---|---|\n| [1] | 97.0 % |\n\n" + "long " * 60 + "\n"
    show_report(text, out)
    assert written(out).rstrip("\n") == text.rstrip("\n")


def test_a_list_of_jobs_shows_each() -> None:
    out = console(terminal=False)
    one = "0123456789abcdef0123456789abcdef"
    show_jobs([{**job, "id": one, "dataset": "digits", "method": "cartl"} for job in JOBS], out)
    lines = written(out).splitlines()
    assert sum(one in line for line in lines) == len(JOBS)
    assert "running" in lines[2] and "40 %" in lines[2] and "digits" in lines[2]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0.0, "0 s"),
        (0.4, "under a second"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations_are_shown_in_seconds_minutes_and_hours(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_a_running_job_of_a_list_is_at_its_stage_not_at_its_start() -> None:
    brief = {"id": "j1", "state": "running", "stage": "train_teacher", "fraction": 0.42}
    assert doing(brief) == "train teacher"
    assert doing(brief | {"stage_label": "teacher (at)"}) == "teacher (at)"
    assert doing(brief | {"stage": None}) == "running"
    assert doing(brief | {"stage": None, "fraction": None}) == "starting"


def test_a_name_that_looks_like_markup_is_shown_as_it_is() -> None:
    console = Console(record=True, width=200)
    show_jobs([{"id": "j1", "state": "[/x]", "name": "[/b] [red]", "dataset": "digits"}], console)
    assert "[/b] [red]" in console.export_text()


def test_every_event_of_the_library_is_told_or_kept_quiet() -> None:
    """A new event must be given words, or be declared the service's own business."""
    from typing import get_args

    from cartl_core.events import Event
    from cartl_core.render.event_lines import LINES, QUIET

    union, _ = get_args(Event)
    kinds = {member.model_fields["type"].default for member in get_args(union)}
    assert set(LINES) | QUIET >= kinds - {"finished", "stopped"}


def test_an_event_that_is_not_known_is_named() -> None:
    assert event_line({"type": "lease_expired", "body": {}}) == "lease expired"


def test_a_student_on_its_way_shows_both_accuracies() -> None:
    metrics = {"loss": 0.4, "clean_accuracy": 0.91, "robust_accuracy": 0.523}
    body = {"label": "student (vanilla)", "epoch": 3, "epochs": 12, "metrics": metrics}
    said = event_line({"type": "epoch_finished", "body": body})
    assert said == "student (vanilla): epoch 3 of 12, loss 0.400, clean accuracy 0.910, robust accuracy 0.523"


def test_an_estimate_is_a_range_and_says_what_it_stands_on() -> None:
    span = {"low": 40.0, "likely": 90.0, "high": 3700.0}
    told = {"seconds": 90.0, "seconds_range": span, "basis": "measured on 3 stages"}
    assert expected(told) == "40 s to 1 h 01 min, likely 1 min 30 s (measured on 3 stages)"
    assert expected({"seconds": 90.0}) == "1 min 30 s", "of a service that knows no range"
    assert expected({}) == "-"


def test_time_left_comes_with_images_a_second() -> None:
    assert time_left({"seconds_left": 90.0, "images_per_second": 123.4}) == "1 min 30 s left, 123 images/s"
    assert time_left({"seconds_left": 90.0, "images_per_second": 1.25}) == "1 min 30 s left, 1.2 images/s"
    assert time_left({"seconds_left": None}) == ""
