"""The meter: of the whole run, by cost, at the measured rate."""

from __future__ import annotations

from typing import Any

import pytest

from cartl_core.events import Event, Progress
from cartl_core.planning.costs import measurement_cost, student_cost, teacher_cost
from cartl_core.planning.stage_digests import StageKey
from cartl_core.run.progress import Meter
from cartl_core.spec import AttackSpec

ONE, TWO = StageKey("pretrain", "one", "1"), StageKey("transfer", "two", "2")


def test_time_left_follows_the_measured_rate() -> None:
    now, events = [0.0], list[Event]()
    meter = Meter({"1": 30.0, "2": 10.0}, events.append, clock=lambda: now[0])
    meter.begin(0.0)
    now[0] = 10.0
    meter.advance(ONE, 1 / 3)
    last = events[-1]
    assert isinstance(last, Progress)
    assert last.fraction == pytest.approx(0.25)
    assert last.seconds_left == pytest.approx(30.0)
    now[0] = 10.5
    meter.advance(ONE, 0.4)
    assert len(events) == 1
    now[0] = 30.0
    meter.finish(ONE)
    now[0] = 35.0
    meter.begin(0.5)
    meter.finish(TWO)
    assert isinstance(events[-1], Progress)
    assert events[-1].fraction == 1.0
    assert events[-1].seconds_left == 0.0


def test_a_slow_time_that_is_over_is_forgotten() -> None:
    """An hour beside a busy neighbour, then a minute alone: what is left is told at today's pace."""
    now, events = [0.0], list[Event]()
    meter = Meter({"1": 100.0}, events.append, clock=lambda: now[0])
    meter.begin(0.0)
    for minute in range(1, 61):  # a cost of 1 a minute
        now[0] = 60.0 * minute
        meter.advance(ONE, minute / 100)
    assert events[-1].seconds_left == pytest.approx(40 * 60.0)  # type: ignore[union-attr]
    for second in range(1, 91):  # 10 a minute
        now[0] = 3600.0 + second
        meter.advance(ONE, 0.6 + second / 600)
    last = events[-1]
    assert isinstance(last, Progress)
    assert last.fraction == pytest.approx(0.75)
    assert last.seconds_left == pytest.approx(150.0)


def test_a_minute_without_progress_is_told_by_the_whole_run() -> None:
    now, events = [0.0], list[Event]()
    meter = Meter({"1": 10.0}, events.append, clock=lambda: now[0])
    meter.begin(0.0)
    for seconds, fraction in ((10.0, 0.5), (100.0, 0.5)):
        now[0] = seconds
        meter.advance(ONE, fraction)
    assert events[-1].seconds_left == pytest.approx(100.0)  # type: ignore[union-attr]


def test_what_was_found_or_done_before_is_not_part_of_the_rate() -> None:
    now, events = [0.0], list[Event]()
    meter = Meter({"1": 30.0, "2": 10.0}, events.append, clock=lambda: now[0])
    meter.finish(ONE)
    assert isinstance(events[-1], Progress)
    assert (events[-1].fraction, events[-1].seconds_left) == (0.75, None)
    meter.begin(0.5)
    now[0] = 4.0
    meter.advance(TWO, 0.75)
    assert isinstance(events[-1], Progress)
    assert events[-1].seconds_left == pytest.approx(4.0)


def test_costs_of_stages_are_their_passes_by_hand(job: Any) -> None:
    spec = job(baselines=["vanilla"])
    fdm, at = spec.arm.pretrain, spec.baselines[0].pretrain
    assert teacher_cost(at, 100) == 100 * 2 * (2 * 3 + 3)
    assert teacher_cost(fdm, 100) == 100 * 2 * (2 * 3 + 6)
    assert student_cost(spec.arm, spec.model, 10) == pytest.approx(10 * 2 * (0.4 + 3 * 0.6))
    moved = job(transfer={"displacement": {"steps": 5, "copies": 3}})
    assert student_cost(moved.arm, moved.model, 10) == pytest.approx(
        10 * (2 * 2 * (0.4 + 3 * 0.6) + 3 * 0.4 * (5 * 3 + 2))
    )
    held = job(transfer={"lwf_weight": 0.1})
    assert student_cost(held.arm, held.model, 10) == pytest.approx(10 * 2 * (0.4 + 4 * 0.6))
    few = job(method="bitfit")
    assert student_cost(few.arm, few.model, 10) == pytest.approx(10 * 2 * (0.4 + 2 * 0.6))
    probe = job(method="linear_probe", freeze_depth=4)
    assert student_cost(probe.arm, probe.model, 10) == pytest.approx(10 * (0.999 + 2 * 3 * 0.001))
    noisy = job(method="linear_probe", freeze_depth=4, transfer={"noise_sigma": 0.1})
    assert student_cost(noisy.arm, noisy.model, 10) == pytest.approx(10 * 2 * (0.999 + 3 * 0.001))
    assert measurement_cost(None, 50) == 50
    attack = AttackSpec(label="a", eps=0.1, step=0.1, steps=10, restarts=2)
    assert measurement_cost(attack, 50) == pytest.approx(50 * (1 + 0.6 * 3 * 20))
    targeted = AttackSpec(label="a", name="apgd", loss="targeted_dlr", eps=0.1, steps=10)
    assert measurement_cost(targeted, 50) == pytest.approx(50 * (1 + 0.6 * 3 * 10 * 9))
    blind = AttackSpec(label="a", name="square", loss="margin", eps=0.1, steps=10)
    assert measurement_cost(blind, 50) == pytest.approx(50 * (1 + 0.6 * 10))
