"""The local stage cache: found, to be computed, or being computed by another process."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
import torch

from cartl_core.errors import Interrupted, ResumeMismatch
from cartl_core.events import CheckpointWritten, Event, StageComputedAnew, StageStored
from cartl_core.execution.checkpoint import Checkpoint, Checkpoints
from cartl_core.planning.stage_digests import StageKey
from cartl_core.storage.stage_cache import LocalStageCache
from cartl_core.storage.stage_result import RESULT, read_result, write_result
from cartl_core.storage.stop_flag import StopFlag

KEY = StageKey("transfer", "student (cartl)", "a" * 64)


def cache(stages: Path, events: list[Event] | None = None, stop: StopFlag | None = None) -> LocalStageCache:
    told = events if events is not None else []
    return LocalStageCache(stages, told.append, stop or StopFlag())


def test_an_unknown_stage_is_to_be_computed(tmp_path: Path) -> None:
    location = cache(tmp_path).locate(KEY)
    assert not location.finished
    assert location.directory == tmp_path / KEY.digest
    assert location.checkpoints == ()


def test_a_stored_stage_is_found(tmp_path: Path) -> None:
    events: list[Event] = []
    first = cache(tmp_path, events)
    location = first.locate(KEY)
    (location.directory / "weights").write_bytes(b"123")
    write_result(location.directory, {"score": 0.1 + 0.2}, ["weights"])
    first.stored(KEY, location.directory)
    first.release(KEY)
    found = cache(tmp_path).locate(KEY)
    assert found.finished
    assert read_result(found.directory) == {"score": 0.1 + 0.2}
    assert events == [StageStored(stage="transfer", digest=KEY.digest, path=KEY.digest)]


def test_checkpoints_come_newest_first(tmp_path: Path) -> None:
    events: list[Event] = []
    first = cache(tmp_path, events)
    location = first.locate(KEY)
    saver = Checkpoints(
        location.directory, announce=lambda path, fraction: first.checkpointed(KEY, path, fraction)
    )
    for fraction in (0.25, 0.5):
        saver.save(Checkpoint({"w": torch.zeros(1)}, fraction=fraction))
    first.release(KEY)
    again = cache(tmp_path).locate(KEY)
    assert [path.name for path in again.checkpoints] == ["00000002.checkpoint", "00000001.checkpoint"]
    assert [event.fraction for event in events if isinstance(event, CheckpointWritten)] == [0.25, 0.5]
    assert all(
        (tmp_path / event.path).is_file() for event in events[1:] if isinstance(event, CheckpointWritten)
    )


@pytest.mark.parametrize("damage", [b"12", b"124", None])
def test_a_damaged_result_is_not_used(tmp_path: Path, damage: bytes | None) -> None:
    location = cache(tmp_path).locate(KEY)
    (location.directory / "weights").write_bytes(b"123")
    write_result(location.directory, {}, ["weights"])
    if damage is None:
        (location.directory / "weights").unlink()
    else:
        (location.directory / "weights").write_bytes(damage)
    with pytest.raises(ResumeMismatch):
        read_result(location.directory)


def flip(path: Path, byte: int, bit: int = 0) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[byte] ^= 1 << bit
    path.write_bytes(content)


def test_a_flipped_bit_anywhere_makes_a_stage_computed_again_and_says_so(tmp_path: Path) -> None:
    first = cache(tmp_path)
    location = first.locate(KEY)
    (location.directory / "weights").write_bytes(b"123")
    write_result(location.directory, {"score": 0.25, "kept": [1, 2]}, ["weights"])
    first.release(KEY)
    files = {
        path: path.read_bytes() for path in (location.directory / RESULT, location.directory / "weights")
    }
    told = 0
    for path, content in files.items():
        for byte in range(len(content)):
            flip(path, byte, bit=byte % 8)
            events: list[Event] = []
            second = cache(tmp_path, events)
            found = second.locate(KEY)
            second.release(KEY)
            if found.finished:  # another blank, or a letter of a number, that means the same
                assert read_result(location.directory) == {"score": 0.25, "kept": [1, 2]}
                assert path.name == RESULT and events == []
            else:
                told += 1
                assert [type(event) for event in events] == [StageComputedAnew]
                assert "student (cartl)" in events[0].words  # type: ignore[union-attr]
            for other, written in files.items():
                other.write_bytes(written)
    assert told >= 0.8 * sum(map(len, files.values()))


@pytest.mark.parametrize("gone", ["weights", RESULT])
def test_a_stage_that_has_lost_a_file_is_computed_again(tmp_path: Path, gone: str) -> None:
    first, events = cache(tmp_path), list[Event]()
    location = first.locate(KEY)
    (location.directory / "weights").write_bytes(b"123")
    write_result(location.directory, {}, ["weights"])
    first.release(KEY)
    (location.directory / gone).unlink()
    assert not cache(tmp_path, events).locate(KEY).finished
    assert len(events) == (gone == "weights")
    assert not (location.directory / RESULT).exists()


def test_a_result_of_another_recipe_or_version_is_told(tmp_path: Path) -> None:
    def key(digest: str, recipe: str) -> StageKey:
        return StageKey(
            "pretrain", "teacher (at)", digest * 64, identity="1" * 64, basis=(("recipe", recipe),)
        )

    (tmp_path / ("9" * 64)).mkdir()
    write_result(tmp_path / ("9" * 64), {})  # as an earlier version left it
    events: list[Event] = []
    mine = cache(tmp_path, events)
    for digest, recipe in (("a", "1"), ("b", "2"), ("b", "2")):
        location = mine.locate(key(digest, recipe))
        write_result(location.directory, {})
        mine.release(key(digest, recipe))
    told = [event for event in events if isinstance(event, StageComputedAnew)]
    assert [(event.digest[0], event.why) for event in told] == [("a", "digests"), ("b", "recipe")]
    assert told[1].words == "teacher (at): the finished one is of recipe 1, now 2"


def test_a_result_without_a_seal_is_of_the_first_version(tmp_path: Path) -> None:
    (tmp_path / RESULT).write_text(json.dumps({"facts": {"score": 1}, "files": {}}))
    assert read_result(tmp_path) == {"score": 1}
    (tmp_path / RESULT).write_text(json.dumps({"facts": {"score": 1}, "files": {}, "sea": "0"}))
    with pytest.raises(ResumeMismatch):
        read_result(tmp_path)


def test_a_result_without_its_last_file_is_computed_again(tmp_path: Path) -> None:
    first = cache(tmp_path)
    location = first.locate(KEY)
    write_result(location.directory, {})
    (location.directory / RESULT).unlink()
    first.release(KEY)
    assert not cache(tmp_path).locate(KEY).finished


def test_a_second_run_waits_and_then_finds(tmp_path: Path) -> None:
    first, found = cache(tmp_path), []
    location = first.locate(KEY)
    waiter = threading.Thread(target=lambda: found.append(cache(tmp_path).locate(KEY)))
    waiter.start()
    time.sleep(0.2)
    assert not found
    write_result(location.directory, {})
    first.release(KEY)
    waiter.join(60)
    assert found[0].finished


def test_waiting_ends_when_the_run_is_stopped(tmp_path: Path) -> None:
    first, stop = cache(tmp_path), StopFlag()
    first.locate(KEY)
    stop.request("interrupted")
    with pytest.raises(Interrupted):
        cache(tmp_path, stop=stop).locate(KEY)
