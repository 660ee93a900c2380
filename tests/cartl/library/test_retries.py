"""Which calls are made again, how often, after which pauses: a scripted service, a clock that is pushed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartl import Retries, ServiceError, ServiceUnreachable
from cartl.library import calls
from cartl.library.retrying import seconds_asked

JOB = {"id": "j1", "state": "queued"}
LOST = httpx.ConnectError("refused")
BROKEN = httpx.RemoteProtocolError("cut off")
GET = calls.job("j1")


def after(seconds: object) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again_when_it_says_so(
    kind: str, scripted: Any, script: Any, time: Any, status: int
) -> None:
    told = script((status, {}, after(3)), (status, {}, after(7)), (200, JOB))
    assert scripted.run(kind, told, "job", "j1").state == "queued"
    assert (len(told.asked), time.slept) == (3, [3.0, 7.0])


def test_without_a_time_pauses_double_up_to_a_bound(kind: str, scripted: Any, script: Any, time: Any) -> None:
    told = script(*[503] * 7, (200, JOB))
    scripted.run(kind, told, "job", "j1")
    assert time.slept == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_pause_is_less_a_random_part_that_is_passed_in() -> None:
    draws = iter([0.0, 0.5, 1.0])
    retries = Retries(jitter=lambda: next(draws))
    assert [retries.after_silence(GET, 3) for _ in range(3)] == [1.0, 1.5, 2.0]


def test_a_longer_time_than_the_bound_is_not_waited_for(
    kind: str, scripted: Any, script: Any, time: Any
) -> None:
    told = script((429, {"title": "Too many unfinished jobs"}, after(31)), (200, JOB))
    with pytest.raises(ServiceError, match="Too many unfinished jobs"):
        scripted.run(kind, told, "job", "j1")
    assert (len(told.asked), time.slept) == (1, [])


def test_all_of_it_ends_at_the_deadline(kind: str, scripted: Any, script: Any, time: Any) -> None:
    told = script((503, {"title": "busy"}, after(25)))
    with pytest.raises(ServiceError) as caught:
        scripted.run(kind, told, "job", "j1")
    assert (caught.value.status, len(told.asked), time.slept) == (503, 3, [25.0, 25.0])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 413, 422, 500, 501, 507])
def test_what_is_refused_is_not_asked_again(
    kind: str, scripted: Any, script: Any, time: Any, status: int
) -> None:
    told = script((status, {}, after(1)), (200, JOB))
    with pytest.raises(ServiceError) as caught:
        scripted.run(kind, told, "job", "j1")
    assert (caught.value.status, len(told.asked), time.slept) == (status, 1, [])


@pytest.mark.parametrize("error", [LOST, BROKEN, httpx.ReadTimeout("slow")])
def test_a_submission_is_sent_again_with_its_key_when_the_connection_breaks(
    kind: str, scripted: Any, script: Any, time: Any, error: Exception
) -> None:
    told = script(error, error, (201, JOB))
    assert scripted.run(kind, told, "submit", dataset="digits", freeze_depth=3).id == "j1"
    keys = {request.headers["Idempotency-Key"] for request in told.asked}
    bodies = {request.content for request in told.asked}
    assert (len(told.asked), len(keys), bodies) == (3, 1, {b'{"dataset": "digits", "freeze_depth": 3}'})
    assert time.slept == [0.5, 1.0]


def test_a_first_try_that_is_still_being_answered_is_waited_for(
    kind: str, scripted: Any, script: Any, time: Any
) -> None:
    told = script(BROKEN, (409, {"type": "/problems/in-flight"}, after(1)), (200, JOB))
    assert scripted.run(kind, told, "submit", dataset="digits", freeze_depth=3).id == "j1"
    assert time.slept == [0.5, 1.0]


def test_each_submission_has_a_key_of_its_own(kind: str, scripted: Any, script: Any) -> None:
    told = script((201, JOB))
    for _ in range(2):
        scripted.run(kind, told, "submit", dataset="digits", freeze_depth=3)
    scripted.run(kind, told, "submit", dataset="digits", freeze_depth=3, idempotency_key="mine")
    keys = [request.headers["Idempotency-Key"] for request in told.asked]
    assert len(set(keys)) == 3 and keys[2] == "mine"


def test_nobody_there_ends_after_a_stated_number_of_tries(
    kind: str, scripted: Any, script: Any, time: Any
) -> None:
    told = script(LOST)
    with pytest.raises(ServiceUnreachable, match="cartl up"):
        scripted.run(kind, told, "job", "j1")
    assert time.now <= Retries().deadline_seconds
    assert len(told.asked) == len(time.slept) + 1 <= Retries().tries


SAFE: dict[str, tuple[calls.Call[Any], bool]] = {
    "job": (calls.job("j"), True),
    "report": (calls.report("j"), True),
    "submit": (calls.submit(b"{}", "key"), True),
    "sweep": (calls.submit_sweep(b"{}", "key"), True),
    "cancel": (calls.cancel("j"), True),
    "retry": (calls.retry("j"), False),
    "dry run": (calls.dry_run("/jobs", b"{}"), True),
    "upload": (calls.upload(Path("network")), False),
}


@pytest.mark.parametrize("name", SAFE)
def test_which_calls_are_made_again_where_nobody_answered(name: str) -> None:
    call, again = SAFE[name]
    assert (Retries().after_silence(call, 1) is not None) is again


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        (after(" 12 "), 12.0),
        (after("0"), 0.0),
        (after("-1"), None),
        (after("1.5"), None),
        (after("soon"), None),
        (after("\u00b2"), None),
        (after("9" * 400), 9999999999.0),
        ({**after("Wed, 21 Oct 2015 07:28:30 GMT"), "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
        ({**after("Wed, 21 Oct 2015 07:27:30 GMT"), "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        (after("Wed, 21 Oct 2015 07:28:30 GMT"), None),
    ],
)
def test_how_long_an_answer_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert seconds_asked({name.lower(): value for name, value in headers.items()}) == seconds


@given(st.text(), st.text())
def test_no_header_is_an_error(asked: str, date: str) -> None:
    found = seconds_asked({"retry-after": asked, "date": date})
    assert found is None or found >= 0
