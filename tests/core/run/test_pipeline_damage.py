"""Damaged stages and checkpoints: computed again, and said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cartl_core.errors import Interrupted
from cartl_core.events import Event, StageComputedAnew, StageFinished, Warned
from cartl_core.execution import checkpoint
from cartl_core.spec import JobSpec
from cartl_core.storage.stop_flag import StopFlag
from tests.core.run.conftest import Run, of
from tests.core.run.test_pipeline_stops import without_times


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("strike", ["flip a network", "flip outcomes", "flip a result", "delete a file"])
def test_a_damaged_stage_is_computed_again_and_gives_the_same(
    go: Run, job: Any, tmp_path: Path, strike: str
) -> None:
    """Whichever finished stage it is: the event says so, the report and the files are those of before."""
    spec, cache = job(baselines=[]), tmp_path / "struck"
    first = go(spec, cache_at=cache, out="first")
    struck = {
        "flip a network": sorted(cache.rglob("network.safetensors")),
        "flip outcomes": sorted(cache.rglob("outcomes.safetensors")),
        "flip a result": sorted(cache.rglob("result.json")),
        "delete a file": sorted(cache.rglob("*.safetensors")),
    }[strike]
    for path in struck:
        if strike == "delete a file":
            path.unlink()
        else:
            flip(path)
    events: list[Event] = []
    again = go(spec, events, cache_at=cache, out="second")
    assert without_times(again) == without_times(first)
    digests = {path.parent.name for path in struck}
    assert {event.digest for event in of(StageComputedAnew, events)} == digests
    assert {event.why for event in of(StageComputedAnew, events)} == {"damaged"}
    assert {event.digest for event in of(StageFinished, events) if not event.reused} == digests
    for name in ("student.safetensors", "outcomes-student.safetensors"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_a_network_that_is_damaged_while_the_run_uses_it_is_made_again(
    go: Run, job: Any, tmp_path: Path
) -> None:
    """The teacher before its student is tuned, the student before it is attacked."""
    spec, cache = job(baselines=[]), tmp_path / "struck"
    whole = go(spec, cache_at=tmp_path / "whole", out="whole")
    struck: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, StageFinished) and event.stage != "evaluate" and event.label not in struck:
            struck.append(event.label)
            flip(cache / event.digest / "network.safetensors")

    events: list[Event] = []
    report = go(spec, events, cache_at=cache, out="struck", listen=listen)
    assert struck == ["teacher (fdm)", "student (cartl)"]
    assert [event.label for event in of(StageComputedAnew, events)] == struck
    assert without_times(report) == without_times(whole)
    for path in (tmp_path / "whole").glob("*.safetensors"):
        assert path.read_bytes() == (tmp_path / "struck" / path.name).read_bytes()


def stopped_at_its_first_checkpoint(go: Run, spec: JobSpec, cache: Path) -> list[Path]:
    """Its checkpoints."""
    stop = StopFlag()

    def listen(event: Event) -> None:
        if event.type == "checkpoint_written":
            stop.request("interrupted")

    with pytest.raises(Interrupted):
        go(spec, cache_at=cache, out="struck", stop=stop, listen=listen)
    return sorted(cache.rglob("*.checkpoint"))


def test_a_damaged_checkpoint_is_passed_over_and_said(go: Run, job: Any, tmp_path: Path) -> None:
    spec, cache = job(baselines=[]), tmp_path / "struck"
    whole = go(spec, cache_at=tmp_path / "whole", out="whole")
    checkpoints = stopped_at_its_first_checkpoint(go, spec, cache)
    for path in checkpoints:
        flip(path)
    events: list[Event] = []
    report = go(spec, events, cache_at=cache, out="struck")
    told = [event.message for event in of(Warned, events) if "checkpoint" in event.message]
    assert len(told) == len(checkpoints) >= 1
    assert all(words.startswith("teacher (fdm): a checkpoint is passed over") for words in told)
    assert without_times(report) == without_times(whole)


def test_a_checkpoint_of_another_version_is_left_and_the_stage_begins_anew(
    go: Run, job: Any, tmp_path: Path
) -> None:
    spec, cache = job(baselines=[]), tmp_path / "struck"
    for path in stopped_at_its_first_checkpoint(go, spec, cache):
        found = checkpoint.read(path)
        checkpoint.write(path, replace(found, state={**found.state, "best_score": 0.5}))
    events: list[Event] = []
    go(spec, events, cache_at=cache, out="struck")
    told = [event.message for event in of(Warned, events) if "begins anew" in event.message]
    assert len(told) == 1
    assert "best_score" in told[0]
