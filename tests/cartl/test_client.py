from __future__ import annotations

from typing import Any

import pytest

import cartl.client
import cartl.http.patience
from cartl.client import Client
from cartl.http.problems import JobUnfinished, ServiceError, ServiceUnreachable
from cartl.serving.up import free_port
from cartl_core.spec import JobRequest

JOB = {"id": "j1", "state": "running"}


@pytest.fixture
def quick_reconnect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cartl.client, "RECONNECT_SECONDS", 0.01)
    monkeypatch.setattr(cartl.http.patience, "PAUSES", (0.01,))


def stream(*numbers: int) -> str:
    return "".join(f'id: {n}\nevent: x\ndata: {{"number": {n}}}\n\n' for n in numbers)


def test_submit_sends_what_was_asked_with_the_key(service: Any, answer: Any) -> None:
    service.reply = lambda asked: answer(201, JOB)
    with Client(service.url, "secret") as client:
        job = client.submit({"dataset": "digits", "freeze_depth": 2}, idempotency_key="once")
    (asked,) = service.asked
    assert (asked.method, asked.path, job) == ("POST", "/jobs", JOB)
    assert asked.body == {"dataset": "digits", "freeze_depth": 2}
    assert asked.headers["Authorization"] == "Bearer secret"
    assert asked.headers["Idempotency-Key"] == "once"


def test_a_typed_request_sends_only_what_was_set(service: Any, answer: Any) -> None:
    service.reply = lambda asked: answer(200, {"spec": {}})
    with Client(service.url) as client:
        request = JobRequest.model_validate({"dataset": "digits", "freeze_depth": 2})
        client.submit(request, dry_run=True)
    (asked,) = service.asked
    assert asked.path == "/jobs?dry_run=true"
    assert asked.body["freeze_depth"] == 2
    assert set(asked.body) == {"dataset", "freeze_depth"}
    assert asked.body["dataset"]["name"] == "digits"


def test_a_problem_becomes_a_sentence_for_each_field(service: Any, answer: Any) -> None:
    problem = {
        "type": "/problems/invalid",
        "title": "The request is not valid",
        "status": 422,
        "detail": "1 field is not valid: freeze_depth: 19 does not fit",
        "errors": [{"field": "freeze_depth", "message": "19 does not fit", "allowed": "1 to 7"}],
    }
    service.reply = lambda asked: answer(422, problem, "application/problem+json")
    with Client(service.url) as client, pytest.raises(ServiceError) as caught:
        client.submit({})
    assert str(caught.value) == (
        "The request is not valid (422):\n  freeze_depth: 19 does not fit (allowed: 1 to 7)"
    )
    assert caught.value.problem == problem


@pytest.mark.parametrize("body", ["<html>no</html>", '"text"', "[]"])
def test_an_answer_that_is_no_problem_is_still_an_error(service: Any, answer: Any, body: str) -> None:
    service.reply = lambda asked: answer(502, body, "text/html")
    with Client(service.url) as client, pytest.raises(ServiceError) as caught:
        client.job("j1")
    assert caught.value.status == 502


def test_nobody_there_says_how_to_start_one() -> None:
    with Client(f"http://127.0.0.1:{free_port()}") as client, pytest.raises(ServiceUnreachable) as caught:
        client.job("j1")
    assert "cartl up" in str(caught.value)


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    service: Any, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    service.reply = lambda asked: answer(200, JOB)
    with Client(service.url) as client:
        assert client.job("j1") == JOB


def test_jobs_are_read_page_by_page(service: Any, answer: Any) -> None:
    pages = {
        "/jobs?state=queued": {"data": [{"id": "a"}, {"id": "b"}], "next_cursor": "n"},
        "/jobs?state=queued&cursor=n": {"data": [{"id": "c"}], "next_cursor": None},
    }
    service.reply = lambda asked: answer(200, pages[asked.path])
    with Client(service.url) as client:
        assert [job["id"] for job in client.jobs(state="queued", tag=None)] == ["a", "b", "c"]


def test_stored_events_are_read_page_by_page(service: Any, answer: Any) -> None:
    pages = {"after=0": [1, 2], "after=2": [3], "after=3": []}
    service.reply = lambda asked: answer(
        200, {"data": [{"number": number} for number in pages[asked.path.split("?")[1]]]}
    )
    with Client(service.url) as client:
        assert [event["number"] for event in client.past_events("j1")] == [1, 2, 3]


def test_a_stream_that_breaks_goes_on_after_the_last_whole_event(
    service: Any, answer: Any, quick_reconnect: None
) -> None:
    streams = iter([(stream(1, 2) + 'id: 3\ndata: {"num', True), (stream(3), False), (stream(4), False)])
    states = iter(["running", "running", "succeeded"])

    def reply(asked: Any) -> Any:
        if not asked.path.endswith("/events"):
            return answer(200, {"state": next(states)})
        text, cut_off = next(streams)
        return answer(200, text, "text/event-stream", cut_off)

    service.reply = reply
    with Client(service.url) as client:
        assert [event["number"] for event in client.events("j1")] == [1, 2, 3, 4]
    resumed = [asked.headers["Last-Event-ID"] for asked in service.asked if asked.path.endswith("/events")]
    assert resumed == ["0", "2", "3"]


def test_204_ends_the_stream_of_a_job_that_has_ended(service: Any, answer: Any) -> None:
    service.reply = lambda asked: (
        answer(200, {"state": "succeeded"}) if asked.path == "/jobs/j1" else answer(204, "", "text/plain")
    )
    with Client(service.url) as client:
        assert list(client.events("j1", after=7)) == []
    assert [asked.path for asked in service.asked] == ["/jobs/j1", "/jobs/j1/events"]
    assert service.asked[-1].headers["Last-Event-ID"] == "7"


def test_204_of_a_job_that_ended_just_now_is_asked_for_what_was_told_meanwhile(
    service: Any, answer: Any, quick_reconnect: None
) -> None:
    """The job was running when its state was read, and its last event came after the first stream."""
    states = iter(["running", "running", "running", "succeeded"])
    streams = iter([(200, stream(1, 2)), (204, ""), (200, stream(3)), (204, "")])

    def reply(asked: Any) -> Any:
        if not asked.path.endswith("/events"):
            return answer(200, {"state": next(states)})
        status, text = next(streams)
        return answer(status, text, "text/event-stream" if text else "text/plain")

    service.reply = reply
    with Client(service.url) as client:
        assert [event["number"] for event in client.events("j1")] == [1, 2, 3]
    resumed = [asked.headers["Last-Event-ID"] for asked in service.asked if asked.path.endswith("/events")]
    assert resumed == ["0", "2", "2", "3"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('id: 1\nevent: e\ndata: {"number": 1}\n\n', [1]),
        ('id: 1\r\ndata: {"number": 1}\r\n\r\n', [1]),
        ('data: {"number":\ndata: 2}\n\n', [2]),
        ('data:{"number": 3}\n\n', [3]),
        (": a comment\n\nretry: 5\n\n", []),
        ('id: 7\n\ndata: {"number": 7}\n\n', [7]),
        ('id: 7\ndata: {"number": 7}\n\n: a comment\n\nid: 8\ndata: {"number": 8}\n\n', [7, 8]),
        ('id: a\0b\ndata: {"number": 1}\n\n', [1]),
        ('data: {"number": 1}\n\ndata: {"number": 2}', [1]),
        # What splits lines elsewhere stays within a text here.
        ('data: {"number": 1, "text": "a\u2028b\u0085c"}\n\n', [1]),
    ],
)
def test_a_stream_is_read_by_the_standard(service: Any, answer: Any, text: str, expected: list[int]) -> None:
    service.reply = lambda asked: (
        answer(200, {"state": "succeeded"})
        if asked.path == "/jobs/j1"
        else answer(200, text, "text/event-stream; charset=utf-8")
    )
    with Client(service.url) as client:
        assert [event["number"] for event in client.events("j1")] == expected


def test_comments_are_signs_of_life(service: Any, answer: Any) -> None:
    """A stream without an event calls ``tick`` too: it looks after processes while a job waits."""
    service.reply = lambda asked: (
        answer(200, {"state": "succeeded"})
        if asked.path == "/jobs/j1"
        else answer(200, ": alive\n\n", "text/event-stream")
    )
    ticks: list[str] = []
    with Client(service.url) as client:
        assert list(client.events("j1", tick=lambda: ticks.append("tick"))) == []
    assert len(ticks) >= 2


def test_an_answer_that_is_no_stream_is_an_error(service: Any, answer: Any) -> None:
    service.reply = lambda asked: (
        answer(200, JOB) if asked.path == "/jobs/j1" else answer(200, "<html>log in</html>", "text/html")
    )
    with Client(service.url) as client, pytest.raises(ServiceError, match="no event stream"):
        next(client.events("j1"))


def test_a_tick_can_end_a_stream(service: Any, answer: Any) -> None:
    service.reply = lambda asked: answer(200, JOB)

    def tick() -> None:
        raise InterruptedError

    with Client(service.url) as client, pytest.raises(InterruptedError):
        next(client.events("j1", tick=tick))


def test_a_stream_that_is_refused_is_an_error(service: Any, answer: Any) -> None:
    service.reply = lambda asked: (
        answer(200, JOB) if asked.path == "/jobs/j1" else answer(404, {"title": "There is nothing here"})
    )
    with Client(service.url) as client, pytest.raises(ServiceError, match="nothing here"):
        next(client.events("j1"))


def test_wait_returns_the_job_in_its_last_state(service: Any, answer: Any) -> None:
    states = iter(["queued", "running", "failed"])
    service.reply = lambda asked: answer(200, {"state": next(states)})
    with Client(service.url) as client:
        assert client.wait("j1", every=0.01)["state"] == "failed"


def test_wait_gives_up_in_time(service: Any, answer: Any) -> None:
    service.reply = lambda asked: answer(200, JOB)
    with Client(service.url) as client, pytest.raises(JobUnfinished, match="running"):
        client.wait("j1", timeout=0.2, every=0.05)
    # It gives up before a pause that would end too late: at most four pauses of 0.05 s fit into 0.2 s.
    assert 1 <= len(service.asked) <= 5
