"""The meter: of the whole run, by cost, at the measured rate."""

from __future__ import annotations

from typing import Any

import pytest

from cartl_core.catalog.network_size import trunk_share
from cartl_core.events import Event, Progress, Reporter, StageMeasured
from cartl_core.planning.estimates.costs import CLASSES, Images, measurement_cost, student_cost, teacher_cost
from cartl_core.planning.stage_digests import StageKey
from cartl_core.run.progress import Meter
from cartl_core.run.timing.expected import Expected, RunForecast
from cartl_core.spec import AttackSpec

ONE, TWO = StageKey("pretrain", "one", "1"), StageKey("transfer", "two", "2")


def meter_of(seconds: dict[str, float], report: Reporter, now: list[float], **fields: Any) -> Meter:
    """A meter of stages of one kind, by the seconds that are predicted of them."""
    stages = {digest: Expected("teacher", expected, images=100.0) for digest, expected in seconds.items()}
    return Meter(RunForecast(stages, **fields), report, clock=lambda: now[0])


def told(events: list[Event]) -> Progress:
    """The newest progress."""
    return [event for event in events if isinstance(event, Progress)][-1]


def test_time_left_follows_the_measured_rate() -> None:
    now, events = [0.0], list[Event]()
    meter = meter_of({"1": 30.0, "2": 10.0}, events.append, now)
    meter.begin(ONE, 0.0)
    assert told(events).seconds_left == pytest.approx(40.0), "before anything is known, as predicted"
    now[0] = 10.0
    meter.advance(ONE, 1 / 3)
    assert told(events).fraction == pytest.approx(0.25)
    assert told(events).seconds_left == pytest.approx(30.0)
    count = len(events)
    now[0] = 10.5
    meter.advance(ONE, 0.35)
    assert len(events) == count
    now[0] = 30.0
    meter.finish(ONE)
    now[0] = 35.0
    meter.begin(TWO, 0.5)
    meter.finish(TWO)
    assert (told(events).fraction, told(events).seconds_left) == (1.0, 0.0)


def test_a_slow_time_that_is_over_is_forgotten() -> None:
    """An hour beside a busy neighbour, then a minute alone: what is left is told at today's pace."""
    now, events = [0.0], list[Event]()
    meter = meter_of({"1": 100.0}, events.append, now)
    meter.begin(ONE, 0.0)
    for minute in range(1, 61):  # a hundredth a minute
        now[0] = 60.0 * minute
        meter.advance(ONE, minute / 100)
    assert told(events).seconds_left == pytest.approx(40 * 60.0, rel=0.05)
    for second in range(1, 91):  # a tenth a minute
        now[0] = 3600.0 + second
        meter.advance(ONE, 0.6 + second / 600)
    assert told(events).fraction == pytest.approx(0.75)
    assert told(events).seconds_left == pytest.approx(150.0, rel=0.05)


def test_a_minute_without_progress_is_told_by_the_whole_run() -> None:
    now, events = [0.0], list[Event]()
    meter = meter_of({"1": 10.0}, events.append, now)
    meter.begin(ONE, 0.0)
    for seconds, fraction in ((10.0, 0.5), (100.0, 0.5)):
        now[0] = seconds
        meter.advance(ONE, fraction)
    assert 50.0 < (told(events).seconds_left or 0) <= 100.0


def test_what_was_found_or_done_before_is_not_part_of_the_rate() -> None:
    now, events = [0.0], list[Event]()
    meter = meter_of({"1": 30.0, "2": 10.0}, events.append, now)
    now[0] = 50.0
    meter.finish(ONE)
    assert (told(events).fraction, told(events).seconds_left) == (0.75, 10.0)
    meter.begin(TWO, 0.5)
    now[0] = 52.5
    meter.advance(TWO, 0.75)
    assert told(events).seconds_left == pytest.approx(2.5)


def test_images_a_second_are_those_of_the_stage_at_work_of_late() -> None:
    now, events = [0.0], list[Event]()
    meter = meter_of({"1": 30.0}, events.append, now)
    meter.begin(ONE, 0.5)
    assert told(events).images_per_second is None
    for second in range(1, 31):  # two of a hundred images a second, then one in two seconds
        now[0] = float(second)
        meter.advance(ONE, 0.5 + (second * 0.02 if second <= 10 else 0.2 + (second - 10) * 0.005))
        if second == 10:
            assert told(events).images_per_second == pytest.approx(2.0)
    assert told(events).images_per_second == pytest.approx(0.5)


def test_each_computed_stage_and_both_ends_of_a_run_are_measured() -> None:
    now, events = [7.0], list[Event]()
    stages = {
        "1": Expected("teacher", 30.0, macs=8e9, images=5, batches=40),
        "2": Expected("clean", 1.0, macs=1e9),
    }
    meter = Meter(
        RunForecast(stages, start=5.0, after={"export": 9.0, "publish": 3.0}, size_class=17),
        events.append,
        began=3.0,
        clock=lambda: now[0],
    )
    meter.begin(ONE, 0.25)
    now[0] = 27.0
    meter.finish(ONE)
    meter.finish(TWO)
    meter.after_stages("export")
    now[0] = 29.0
    meter.after_stages("publish")
    meter.after_stages("publish")
    assert told(events).fraction == pytest.approx(1 - 3 / 48), "three of forty-eight seconds"
    now[0] = 30.5
    meter.advance_after(0.5)
    assert told(events).fraction == pytest.approx(1 - 1.5 / 48)
    meter.advance_after(0.75, "the last figure")
    assert told(events).label == "the last figure"
    now[0] = 32.0
    meter.after_stages(None)
    assert (told(events).fraction, told(events).seconds_left) == (1.0, 0.0)
    assert [event for event in events if isinstance(event, StageMeasured)] == [
        StageMeasured(kind="start", size_class=17, macs=0, batches=0, seconds=4.0),
        StageMeasured(kind="teacher", size_class=17, macs=6e9, batches=30, seconds=20.0),
        StageMeasured(kind="export", size_class=17, macs=0, batches=0, seconds=2.0),
        StageMeasured(kind="publish", size_class=17, macs=0, batches=0, seconds=3.0),
    ]


def test_what_comes_after_the_stages_is_as_slow_as_they_were() -> None:
    """Everything takes four times as long as predicted, the start too; half of the report is written then."""
    now, events = [0.0], list[Event]()
    stages = {"1": Expected("teacher", 50.0)}
    forecast = RunForecast(stages, start=10.0, after={"publish": 20.0})
    meter = Meter(forecast, events.append, began=0.0, clock=lambda: now[0])
    now[0] = 40.0
    meter.begin(ONE, 0.0)
    assert 70.0 * 2 < (told(events).seconds_left or 0) < 70.0 * 4, "the start told something"
    now[0] = 240.0
    meter.finish(ONE)
    meter.after_stages("publish")
    assert told(events).seconds_left == pytest.approx(80.0, rel=0.25)
    now[0] = 280.0
    meter.advance_after(0.5)
    assert told(events).seconds_left == pytest.approx(40.0, rel=0.1)


def test_a_stage_that_was_nearly_done_before_says_nothing_of_its_rate() -> None:
    now, events = [0.0], list[Event]()
    meter = meter_of({"1": 30.0}, events.append, now)
    meter.begin(ONE, 0.9)
    now[0] = 3.0
    meter.finish(ONE)
    assert not [event for event in events if isinstance(event, StageMeasured)]


def test_costs_of_stages_are_their_passes_by_hand(job: Any) -> None:
    spec = job(baselines=["vanilla"])
    fdm, at = spec.arm.pretrain, spec.baselines[0].pretrain
    ten, hundred = Images(10), Images(100)
    assert teacher_cost(at, hundred) == 100 * 2 * (2 * 2 + 3)
    assert teacher_cost(fdm, hundred) == 100 * 2 * (2 * 2 + 6)
    validated = Images(100, validation=at.validate_images + 7)
    a_look = at.validate_images + 7 + at.validate_images * 0.6 * 2 * 2
    assert teacher_cost(at, validated) == pytest.approx(teacher_cost(at, hundred) + 2 * a_look)
    trunk = trunk_share(spec.model, CLASSES, 2)
    tail = 1 - trunk
    assert student_cost(spec.arm, spec.model, ten) == pytest.approx(10 * 2 * (trunk + 3 * tail))
    moved = job(transfer={"displacement": {"steps": 5, "copies": 3}})
    assert student_cost(moved.arm, moved.model, ten) == pytest.approx(
        10 * (2 * 2 * (trunk + 3 * tail) + 3 * trunk * (5 * 2 + 2))
    )
    held = job(transfer={"lwf_weight": 0.1})
    assert student_cost(held.arm, held.model, ten) == pytest.approx(10 * 2 * (trunk + 4 * tail))
    few = job(method="bitfit")
    assert student_cost(few.arm, few.model, ten) == pytest.approx(10 * 2 * (trunk + 2 * tail))
    probe = job(method="linear_probe", freeze_depth=4)
    below = trunk_share(probe.model, CLASSES, 4)
    assert student_cost(probe.arm, probe.model, ten) == pytest.approx(10 * (below + 2 * 3 * (1 - below)))
    views = {"augmentation": "crop_flip", "cached_views": 3}
    altered = job(transfer=views)
    assert student_cost(altered.arm, altered.model, ten) == pytest.approx(10 * (3 * trunk + 2 * 3 * tail))
    probed = job(method="linear_probe", freeze_depth=4, transfer=views)
    assert student_cost(probed.arm, probed.model, ten) == pytest.approx(
        10 * (3 * below + 2 * 3 * (1 - below))
    )
    unfrozen = job(method="vanilla", freeze_depth=0, transfer=views)
    assert student_cost(unfrozen.arm, unfrozen.model, ten) == pytest.approx(10 * 2 * 3)
    noisy = job(method="linear_probe", freeze_depth=4, transfer={"noise_sigma": 0.1})
    assert student_cost(noisy.arm, noisy.model, ten) == pytest.approx(10 * 2 * (below + 3 * (1 - below)))
    assert measurement_cost(None, 50) == 50
    attack = AttackSpec(label="a", eps=0.1, step=0.1, steps=10, restarts=2)
    assert measurement_cost(attack, 50) == pytest.approx(50 * (1 + 0.6 * 2 * 20))
    targeted = AttackSpec(label="a", name="apgd", loss="targeted_dlr", eps=0.1, steps=10)
    assert measurement_cost(targeted, 50) == pytest.approx(50 * (1 + 0.6 * 2 * 10 * 9))
    blind = AttackSpec(label="a", name="square", loss="margin", eps=0.1, steps=10)
    assert measurement_cost(blind, 50) == pytest.approx(50 * (1 + 0.6 * 10))
