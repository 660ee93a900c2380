"""Stages that are computed at the same time: when each begins, what a failure ends; no number changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cartl_core.errors import Cancelled, Interrupted, WaitingForStage
from cartl_core.events import AttackFinished, Event, Progress, StageFinished, StageStarted
from cartl_core.planning.estimates.costs import Cost
from cartl_core.planning.stage_digests import StageKey
from cartl_core.planning.stages import Attacking, DataRef, Importing, StageSpec, Work
from cartl_core.report import Report
from cartl_core.run.side_by_side import SideBySide, in_turn
from cartl_core.spec import Runtime
from cartl_core.storage.stop_flag import StopFlag
from tests.core.run.conftest import Run, computed, of
from tests.core.run.test_pipeline_stops import without_times
from tests.factories import make_runtime

PATIENCE = 60.0
COST = Cost("clean", 1.0, 1.0)
IMAGES = DataRef("target", "test", "f", None, 1)


def network(name: str) -> StageSpec[Work]:
    return StageSpec(Importing(name), StageKey("evaluate", name, name), COST)


def attack_on(stage: StageSpec[Work], name: str) -> StageSpec[Work]:
    return StageSpec(Attacking(None, stage.key, IMAGES), StageKey("evaluate", name, name), COST)


SMALLER = {
    "pretrain": {"epochs": 1},
    "transfer": {"epochs": 1},
    "evaluate": {"curve": None, "corruptions": None, "gallery": None},
}


def figures(report: Report) -> Any:
    """The whole report but for times and the machine."""
    return without_times(report.model_copy(update={"runtime": None}))


ONE, TWO = network("one"), network("two")
OF_ONE, OF_TWO = attack_on(ONE, "of one"), attack_on(TWO, "of two")


def test_two_are_computed_at_a_time_each_once_its_network_is_there() -> None:
    together, order = threading.Barrier(2, timeout=PATIENCE), list[str]()

    def compute(stage: StageSpec[Work]) -> str:
        if stage in (ONE, TWO):
            together.wait()
        order.append(stage.digest)
        return f"result of {stage.digest}"

    stages = (ONE, OF_ONE, TWO, OF_TWO)
    ahead = SideBySide(compute, 2, StopFlag())
    ahead.add(stages)
    assert [ahead.result_of(stage) for stage in stages] == [f"result of {one.digest}" for one in stages]
    assert order.index("one") < order.index("of one") and order.index("two") < order.index("of two")
    further = attack_on(ONE, "further")
    ahead.add((*stages, further))
    assert ahead.result_of(further) == "result of further"
    assert sorted(order) == sorted(one.digest for one in (*stages, further)), "each once"


def test_a_stage_that_fails_ends_the_others_but_not_what_is_around_the_run() -> None:
    outer, under_way, left = StopFlag(), threading.Event(), list[str]()
    stop = StopFlag(outer)

    def compute(stage: StageSpec[Work]) -> str:
        if stage == ONE:
            under_way.wait(PATIENCE)
            raise ValueError("it broke")
        under_way.set()
        while stop.why is None:
            threading.Event().wait(0.01)
        left.append(stage.digest)
        stop.check()
        return stage.digest

    ahead = SideBySide(compute, 2, stop)
    ahead.add((ONE, TWO, OF_ONE, OF_TWO))
    with pytest.raises(ValueError, match="it broke"):
        ahead.result_of(TWO)
    ahead.close()
    assert left == ["two"], "nothing was begun after the failure"
    assert outer.why is None
    outer.request("cancelled")
    with pytest.raises(Cancelled):
        stop.check()


def test_what_another_run_computes_holds_up_no_more_than_needs_it() -> None:
    def compute(stage: StageSpec[Work]) -> str:
        if stage == TWO:
            raise WaitingForStage(stage.digest)
        return stage.digest

    ahead = SideBySide(compute, 2, StopFlag())
    ahead.add((ONE, TWO, OF_TWO, OF_ONE))
    assert (ahead.result_of(ONE), ahead.result_of(OF_ONE)) == ("one", "of one")
    with pytest.raises(WaitingForStage):
        ahead.result_of(TWO)
    ahead.close()


def test_a_reporter_is_called_by_one_thread_at_a_time() -> None:
    busy, clashes = threading.Lock(), list[Event]()

    def report(event: Event) -> None:
        if not busy.acquire(blocking=False):
            clashes.append(event)
            return
        threading.Event().wait(0.001)
        busy.release()

    told, event = in_turn(report), StageStarted(stage="evaluate", label="one", digest="1")
    threads = [threading.Thread(target=lambda: [told(event) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clashes == []


class TestWholeRuns:
    """A job with two teachers and two students, one of them reparametrised, two stages at a time."""

    @pytest.fixture
    def runtime(self) -> Runtime:
        return make_runtime(stages_at_once=2)

    def test_figures_and_files_are_those_of_one_stage_at_a_time(
        self, go: Run, job: Any, tmp_path: Path, alone: Callable[..., Any]
    ) -> None:
        spec, events = job(**SMALLER), list[Event]()
        whole, expected = go(spec, events, cache_at=tmp_path / "two"), alone(spec)
        assert figures(whole) == figures(expected)
        for name in ("student.safetensors", "outcomes-student.safetensors", "outcomes-vanilla.safetensors"):
            assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
        subjects = [event.subject for event in of(AttackFinished, events)]
        assert subjects == ["student", "vanilla", "teacher", "teacher"]
        done = [event.label for event in of(StageFinished, events)]
        assert sorted(computed(events)) == sorted(done), "each was computed once"
        fractions = [event.fraction for event in of(Progress, events)]
        assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(1.0)

    def test_stopped_again_and_again_it_ends_the_same(
        self, go: Run, job: Any, tmp_path: Path, alone: Callable[..., Any]
    ) -> None:
        spec, stopped = job(**SMALLER), 0
        for _ in range(60):
            stop, seen = StopFlag(), list[str]()

            def listen(event: Event, stop: StopFlag = stop, seen: list[str] = seen) -> None:
                if event.type == "checkpoint_written":
                    seen.append(event.digest)
                    if len(seen) == 6:
                        stop.request("interrupted")

            try:
                report = go(spec, cache_at=tmp_path / "pieces", stop=stop, listen=listen)
                break
            except Interrupted:
                stopped += 1
        assert stopped >= 2
        assert figures(report) == figures(alone(spec))


@pytest.fixture
def alone(go: Run) -> Callable[..., Any]:
    """The same specification with one stage at a time; its stages lie in the file's cache."""
    return lambda spec: go(spec, out="alone", runtime=make_runtime())
