"""Runs that are stopped, cancelled or refused, and what they leave."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from cartl_core.errors import Cancelled, DataOverlap, DiskFull, Interrupted, WaitingForStage
from cartl_core.events import (
    Event,
    StageFinished,
    StageStarted,
)
from cartl_core.planning.stage_digests import StageKey
from cartl_core.report import Report
from cartl_core.run import pipeline
from cartl_core.run.pipeline import run
from cartl_core.spec import Runtime
from cartl_core.storage.stage_cache import LocalStageCache, Parts, StageLocation
from cartl_core.storage.stop_flag import StopFlag
from tests.core.run.conftest import Run, computed, of


def without_times(report: Report) -> Any:
    """The figures of a report: times and what was reused apart."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            dropped = {"seconds", "images_per_second", "reused", "origin"}
            return {key: strip(item) for key, item in value.items() if key not in dropped}
        return [strip(item) for item in value] if isinstance(value, list) else value

    return strip(report.model_dump(mode="json"))


def test_a_run_stopped_everywhere_ends_the_same(go: Run, job: Any, tmp_path: Path) -> None:
    """Stopped again and again, after every fourth checkpoint; each time a new run goes on."""
    spec = job(evaluate={"batch_size": 40})
    whole = go(spec, cache_at=tmp_path / "whole", out="whole-out")
    resumed_at: list[float] = []
    for _ in range(60):
        stop, seen = StopFlag(), 0

        def listen(event: Event, stop: StopFlag = stop) -> None:
            nonlocal seen
            if event.type == "checkpoint_written":
                seen += 1
                if seen % 4 == 0:
                    stop.request("interrupted")
            if isinstance(event, StageStarted) and event.resumed_at is not None:
                resumed_at.append(event.resumed_at)

        try:
            pieces = go(spec, cache_at=tmp_path / "pieces", out="pieces-out", stop=stop, listen=listen)
            break
        except Interrupted:
            continue
    assert len(resumed_at) >= 8
    assert without_times(pieces) == without_times(whole)
    one, other = tmp_path / "whole-out", tmp_path / "pieces-out"
    for name in ("student.safetensors", "outcomes-student.safetensors", "outcomes-vanilla.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_a_run_can_be_cancelled_in_each_of_its_stages(go: Run, job: Any, tmp_path: Path) -> None:
    """Teachers, students, attacks, diagnostics: asked once it has begun, each ends so; a retry goes on."""
    spec, cache, met = job(baselines=[]), tmp_path / "cancelled", list[str]()
    while True:
        stop = StopFlag()

        def listen(event: Event, stop: StopFlag = stop) -> None:
            if isinstance(event, StageStarted) and event.label not in met:
                met.append(event.label)
                stop.request("cancelled")

        events: list[Event] = []
        try:
            report = go(spec, events, cache_at=cache, stop=stop, listen=listen)
        except Cancelled:
            assert computed(events)[-1] == met[-1]
            assert met[-1] not in [event.label for event in of(StageFinished, events)]
        else:
            break
    assert report.complete
    assert met[:2] == ["teacher (fdm)", "student (cartl)"]
    assert {"clean accuracy of cartl", "attack pgd5 on cartl"} <= set(met)
    assert any("eps" in label for label in met)


def test_shared_images_are_refused(go: Run, job: Any, task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "load", lambda *_, **__: task())
    with pytest.raises(DataOverlap):
        go(job())


def test_a_full_disk_is_told_as_such(
    job: Any, go: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("cartl_core.training.pretrain.save_network", full)
    with pytest.raises(DiskFull, match="the teacher"):
        go(job(pretrain={"epochs": 1}))
    monkeypatch.setattr(LocalStageCache, "locate", full)
    with pytest.raises(DiskFull, match=r"teacher \(fdm\)"):
        go(job(pretrain={"epochs": 1}))


def test_a_stage_that_another_run_computes_ends_this_one(job: Any, tmp_path: Path, runtime: Runtime) -> None:
    class Busy:
        def locate(self, key: StageKey, parts: Parts = ()) -> StageLocation:
            raise WaitingForStage(key.digest)

        def checkpointed(self, key: StageKey, path: Path, fraction: float) -> None: ...
        def stored(self, key: StageKey, directory: Path) -> None: ...
        def release(self, key: StageKey) -> None: ...

    with pytest.raises(WaitingForStage):
        run(job(), cache=Busy(), data_root=tmp_path, out=tmp_path / "out", runtime=runtime)
    assert not (tmp_path / "out").exists()
