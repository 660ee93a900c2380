"""A checkpoint comes back exactly, or is noticed; the newest whole one is used."""

import errno
from pathlib import Path

import pytest
import torch

from cartl_core.errors import DiskFull
from cartl_core.execution import checkpoint as module
from cartl_core.execution.checkpoint import Checkpoint, CheckpointDamaged, Checkpoints, read, write
from cartl_core.storage.checkpoint_files import in_order


def sample(value: float = 0.1) -> Checkpoint:
    tensors = {"network/w": torch.full((3, 4), value), "network/n": torch.tensor(7)}
    return Checkpoint(tensors, {"epoch": 2, "sum": 0.1 + 0.2, "history": [{"loss": 1 / 3}]}, fraction=1 / 7)


def test_it_comes_back_exactly(tmp_path: Path) -> None:
    written = sample()
    write(tmp_path / "a", written)
    found = read(tmp_path / "a")
    assert found.state == written.state
    assert found.fraction == written.fraction
    assert found.tensors.keys() == written.tensors.keys()
    assert all(torch.equal(found.tensors[name], written.tensors[name]) for name in found.tensors)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_tensor_in_another_memory_layout_keeps_its_values(tmp_path: Path) -> None:
    weight = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    write(tmp_path / "a", Checkpoint({"w": weight}))
    assert torch.equal(read(tmp_path / "a").tensors["w"], weight)


@pytest.mark.parametrize("keep", [0, 1, 50, 200, -1])
def test_a_truncated_file_is_noticed(tmp_path: Path, keep: int) -> None:
    write(tmp_path / "a", sample())
    content = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(content[:keep])
    with pytest.raises(CheckpointDamaged):
        read(tmp_path / "a")


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "a", sample())
    content = bytearray((tmp_path / "a").read_bytes())
    content[-3] ^= 1
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(CheckpointDamaged, match="changed"):
        read(tmp_path / "a")


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(2)}, tmp_path / "a")
    with pytest.raises(CheckpointDamaged):
        read(tmp_path / "a")


def test_the_newest_whole_one_is_used(tmp_path: Path) -> None:
    first = Checkpoints(tmp_path)
    for value in (1.0, 2.0, 3.0):
        first.save(sample(value))
    kept = list(reversed(in_order(tmp_path)))
    assert len(kept) == 2
    newest = Checkpoints(tmp_path, earlier=kept).newest()
    assert newest is not None
    assert newest.tensors["network/w"][0, 0] == 3.0
    kept[0].write_bytes(kept[0].read_bytes()[:100])
    previous = Checkpoints(tmp_path, earlier=kept).newest()
    assert previous is not None
    assert previous.tensors["network/w"][0, 0] == 2.0
    kept[1].unlink()
    assert Checkpoints(tmp_path, earlier=kept).newest() is None


def test_an_older_one_goes_only_after_the_newer_is_announced(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []
    kept = Checkpoints(
        tmp_path, announce=lambda path, fraction: seen.append((path.name, len(in_order(tmp_path))))
    )
    for _ in range(4):
        kept.save(sample())
    assert [count for _, count in seen] == [1, 2, 3, 3]
    assert len(in_order(tmp_path)) == 2
    kept.clear()
    assert in_order(tmp_path) == []


def test_another_claims_files_are_left_alone_and_numbers_go_on(tmp_path: Path) -> None:
    Checkpoints(tmp_path / "one").save(sample())
    earlier = in_order(tmp_path / "one")
    second = Checkpoints(tmp_path / "two", earlier=earlier)
    paths = [second.save(sample()) for _ in range(3)]
    assert [path.name for path in paths] == [f"0000000{number}.checkpoint" for number in (2, 3, 4)]
    assert in_order(tmp_path / "one") == earlier


def test_one_is_due_by_the_clock(tmp_path: Path) -> None:
    now = [0.0]
    kept = Checkpoints(tmp_path, every_seconds=30, clock=lambda: now[0])
    now[0] = 29.0
    assert not kept.due()
    now[0] = 30.0
    assert kept.due()
    kept.save(sample())
    assert not kept.due()


def test_a_full_disk_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write_whole", full)
    with pytest.raises(DiskFull, match="checkpoint"):
        write(tmp_path / "a", sample())


def test_the_seconds_of_a_stage_are_counted_over_its_attempts(tmp_path: Path) -> None:
    """Those before the checkpoint that is gone on from, and those since; of none, since the beginning."""
    now = [100.0]
    first = Checkpoints(tmp_path, clock=lambda: now[0])
    now[0] += 7
    path = first.save(Checkpoint({"x": torch.zeros(1)}))
    now[0] += 500
    second = Checkpoints(tmp_path / "later", earlier=[path], clock=lambda: now[0])
    assert second.seconds == 0
    found = second.newest()
    assert found is not None and found.seconds == 7
    now[0] += 3
    assert second.seconds == 10
