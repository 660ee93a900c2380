"""A supervised run hears orders, answers with events, and ends when it is alone."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TextIO

import pytest

from cartl_core.errors import Cancelled, WaitingForStage
from cartl_core.events import (
    EVENT,
    Event,
    Ping,
    StageComputedAnew,
    StageReply,
    StageRequested,
    StageStored,
    Stop,
    Warned,
)
from cartl_core.planning.stage_digests import StageKey
from cartl_core.run.supervised import LOST_SUPERVISOR, WATCH_SECONDS, JsonLines, Orders, SupervisedStageCache
from cartl_core.storage.stage_result import write_result
from cartl_core.storage.stop_flag import StopFlag

KEY = StageKey("pretrain", "teacher (at)", "b" * 64, shared=True)


@pytest.fixture
def pipe() -> Iterator[tuple[TextIO, TextIO]]:
    """What the supervisor writes, what the child reads."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as child, os.fdopen(writing, "w") as supervisor:
        yield supervisor, child


def send(supervisor: TextIO, order: Ping | Stop | StageReply) -> None:
    supervisor.write(order.model_dump_json() + "\n")
    supervisor.flush()


def wait_for(condition: object, seconds: float = 120.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_events_are_whole_lines_from_any_thread() -> None:
    stream = io.StringIO()
    report = JsonLines(stream)

    def warn_often() -> None:
        for _ in range(50):
            report(Warned(message="x" * 200))

    threads = [threading.Thread(target=warn_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 200
    assert all(EVENT.validate_json(line) == Warned(message="x" * 200) for line in lines)


def test_a_stop_order_raises_the_flag(pipe: tuple[TextIO, TextIO]) -> None:
    stop = StopFlag()
    orders = Orders(pipe[1], stop, silence_limit=None)
    orders.start()
    pipe[0].write("no order at all\n")
    send(pipe[0], Stop(why="cancelled"))
    wait_for(lambda: stop.why == "cancelled")
    with pytest.raises(Cancelled):
        orders.reply("any")
    orders.finish()


@pytest.mark.parametrize("verdict", ["finished", "compute"])
def test_the_shelf_asks_and_is_answered(pipe: tuple[TextIO, TextIO], tmp_path: Path, verdict: str) -> None:
    events: list[Event] = []
    (tmp_path / "b/7").mkdir(parents=True)
    if verdict == "finished":
        write_result(tmp_path / "b/7", {})
    orders = Orders(pipe[1], StopFlag(), silence_limit=None)
    orders.start()
    cache = SupervisedStageCache(tmp_path, events.append, orders)
    reply = {
        "digest": KEY.digest,
        "verdict": verdict,
        "path": "b/7",
        "checkpoints": ["b/6/00000001.checkpoint"],
    }
    send(pipe[0], StageReply(digest="c" * 64, verdict="wait"))
    send(pipe[0], StageReply.model_validate(reply))
    location = cache.locate(KEY)
    assert location.finished is (verdict == "finished")
    assert location.directory == tmp_path / "b/7"
    assert location.checkpoints == (tmp_path / "b/6/00000001.checkpoint",)
    cache.stored(KEY, location.directory)
    assert events == [
        StageRequested(stage="pretrain", label=KEY.label, digest=KEY.digest, shared=True),
        StageStored(stage="pretrain", digest=KEY.digest, path="b/7"),
    ]
    orders.finish()


@pytest.mark.parametrize("then", ["compute", "finished", "wait"])
def test_a_damaged_result_is_asked_about_again(
    pipe: tuple[TextIO, TextIO], tmp_path: Path, then: Literal["compute", "finished", "wait"]
) -> None:
    """The supervisor lets this run compute it, knows a newer result, or another run that computes it."""
    for name in ("b/7", "b/8"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "weights").write_bytes(b"123")
        write_result(tmp_path / name, {}, ["weights"])
    (tmp_path / "b/7/weights").write_bytes(b"124")
    events: list[Event] = []
    orders = Orders(pipe[1], StopFlag(), silence_limit=None)
    orders.start()
    cache = SupervisedStageCache(tmp_path, events.append, orders)
    send(pipe[0], StageReply(digest=KEY.digest, verdict="finished", path="b/7"))
    send(pipe[0], StageReply(digest=KEY.digest, verdict=then, path=None if then == "wait" else "b/8"))
    if then == "wait":
        with pytest.raises(WaitingForStage):
            cache.locate(KEY)
    else:
        location = cache.locate(KEY)
        assert (location.finished, location.directory) == (then == "finished", tmp_path / "b/8")
    asked = [event.damaged for event in events if isinstance(event, StageRequested)]
    assert asked == [None, "b/7"]
    (anew,) = [event for event in events if isinstance(event, StageComputedAnew)]
    assert (anew.why, anew.digest) == ("damaged", KEY.digest)
    assert anew.words == "teacher (at): weights of a finished stage has changed since it was written"
    orders.finish()


def test_waiting_names_the_stage(pipe: tuple[TextIO, TextIO], tmp_path: Path) -> None:
    orders = Orders(pipe[1], StopFlag(), silence_limit=None)
    orders.start()
    send(pipe[0], StageReply(digest=KEY.digest, verdict="wait"))
    with pytest.raises(WaitingForStage) as raised:
        SupervisedStageCache(tmp_path, lambda event: None, orders).locate(KEY)
    assert raised.value.digest == KEY.digest
    orders.finish()


@pytest.mark.parametrize("closed", [True, False])
def test_a_run_left_alone_is_stopped_and_then_ended(pipe: tuple[TextIO, TextIO], closed: bool) -> None:
    stop, ended = StopFlag(), list[int]()
    orders = Orders(
        pipe[1],
        stop,
        silence_limit=None if closed else 0.2,
        end_process=ended.append,
        grace_seconds=3.0,
    )
    orders.start()
    if closed:
        pipe[0].close()
    wait_for(lambda: stop.why == "interrupted")
    assert ended == []
    wait_for(lambda: ended == [LOST_SUPERVISOR])


def test_a_run_that_stops_in_time_is_not_ended(pipe: tuple[TextIO, TextIO]) -> None:
    stop, ended = StopFlag(), list[int]()
    orders = Orders(pipe[1], stop, silence_limit=0.2, end_process=ended.append, grace_seconds=3.0)
    orders.start()
    wait_for(lambda: stop.why == "interrupted")
    orders.finish()
    time.sleep(3.3)
    assert ended == []


def test_a_run_that_slept_gives_its_supervisor_all_the_time_again(pipe: tuple[TextIO, TextIO]) -> None:
    """Whichever wakes up first: the silence while both slept is none."""
    stop, now = StopFlag(), [0.0]
    orders = Orders(pipe[1], stop, silence_limit=45.0, clock=lambda: now[0])
    orders.start()
    now[0] = 3600.0
    time.sleep(4 * WATCH_SECONDS)
    assert stop.why is None
    for _ in range(15):  # awake from here on, and nobody there
        now[0] += 4.0
        time.sleep(WATCH_SECONDS)
    wait_for(lambda: stop.why == "interrupted")
    orders.finish()


def test_pings_keep_a_run_alive(pipe: tuple[TextIO, TextIO]) -> None:
    stop = StopFlag()
    orders = Orders(pipe[1], stop, silence_limit=4.0)
    orders.start()
    for _ in range(8):
        send(pipe[0], Ping())
        time.sleep(0.6)
    assert stop.why is None
    orders.finish()


def test_an_order_is_what_the_contract_says() -> None:
    assert json.loads(Ping().model_dump_json()) == {"type": "ping"}
