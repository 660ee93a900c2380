"""Whatever the exporting process does, each task is answered and the run goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cartl_core.errors import Cancelled
from cartl_core.report.exports import MeasuredExport
from cartl_core.run.exports.order import Begun, Made, Order, Refused, Task
from cartl_core.run.exports.process import exported
from cartl_core.storage.stop_flag import StopFlag

SCRIPT = """
import json, os, signal, sys, time
order = json.load(open(sys.argv[1]))
say = lambda **answer: print(json.dumps(answer), flush=True)
print("a library that is chatty")
measured = {"n": 1, "logits_max_difference": 0.0, "robust_accuracy": None}
for task in order["tasks"]:
    name = os.path.basename(task["path"])
    say(type="begun", name=name)
    if name == "kills":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "leaves":
        sys.exit(3)
    if name == "hangs":
        time.sleep(60)
    if name == "fails":
        say(type="refused", name=name, reason="failed", message="no")
    else:
        say(type="made", name=name, measured=measured)
    if name == "last word":
        sys.exit(3)
"""


def order(*names: str) -> Order:
    tasks = tuple(Task(format="onnx", path=f"/nowhere/{name}") for name in names)
    return Order(network="", images="", classes=(), tasks=tasks, threads=1)


def answers(tmp_path: Path, *names: str, seconds: float = 30.0) -> list[object]:
    command = (sys.executable, "-c", SCRIPT)
    found = exported(order(*names), tmp_path, StopFlag(), command=command, seconds=seconds)
    return [
        (answer.name, answer.reason if isinstance(answer, Refused) else "made")
        for answer in found
        if not isinstance(answer, Begun)
    ]


def test_tasks_are_answered_in_order(tmp_path: Path) -> None:
    assert answers(tmp_path, "one", "fails", "two") == [("one", "made"), ("fails", "failed"), ("two", "made")]


@pytest.mark.parametrize("how", ["kills", "leaves"])
def test_a_process_that_ends_costs_its_own_export_alone(tmp_path: Path, how: str) -> None:
    assert answers(tmp_path, "one", how, "two") == [("one", "made"), (how, "ended"), ("two", "made")]


def test_an_end_between_two_exports_costs_the_next_one(tmp_path: Path) -> None:
    assert answers(tmp_path, "last word", "two", "three") == [
        ("last word", "made"),
        ("two", "ended"),
        ("three", "made"),
    ]


def test_an_export_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    assert answers(tmp_path, "hangs", "two", seconds=5.0) == [("hangs", "timed_out"), ("two", "made")]


def test_a_process_that_cannot_start_refuses_all(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "raise SystemExit('no torch here')")
    found = list(exported(order("one", "two"), tmp_path, StopFlag(), command=command))
    assert [(answer.name, answer.reason) for answer in found if isinstance(answer, Refused)] == [
        ("one", "ended"),
        ("two", "ended"),
    ]


def test_a_run_that_is_stopped_ends_the_process(tmp_path: Path) -> None:
    stop, command = StopFlag(), (sys.executable, "-c", SCRIPT)
    found = exported(order("one", "hangs"), tmp_path, stop, command=command)
    assert next(found) == Begun(name="one")
    made = MeasuredExport(n=1, logits_max_difference=0.0, robust_accuracy=None)
    assert next(found) == Made(name="one", measured=made)
    stop.request("cancelled")
    with pytest.raises(Cancelled):
        list(found)
