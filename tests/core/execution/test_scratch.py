"""Scratch arrays: they hold what is written, stand in no folder, take no anonymous memory and are bounded."""

from __future__ import annotations

import errno
import gc
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from cartl_core.execution.scratch import Scratch

MIB = 2**20


def free(folder: Path) -> int:
    """Bytes of the disk that nobody has."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
@pytest.mark.parametrize("in_file", [True, False])
def test_what_is_written_is_read_again(tmp_path: Path, dtype: torch.dtype, in_file: bool) -> None:
    array = Scratch(tmp_path / "new" if in_file else None).zeros((7, 3, 5), dtype)
    assert (array.shape, array.dtype, int(array.sum())) == ((7, 3, 5), dtype, 0)
    content = torch.randint(0, 255, (7, 3, 5)).to(dtype)
    array[2:] = content[2:]
    assert torch.equal(array[2:], content[2:]) and int(array[:2].sum()) == 0
    assert torch.equal(array[torch.tensor([6, 3])], content[[6, 3]])
    assert not in_file or list((tmp_path / "new").iterdir()) == []


def test_an_empty_array_needs_no_file(tmp_path: Path) -> None:
    assert Scratch(tmp_path / "none").zeros((0, 3)).shape == (0, 3)
    assert not (tmp_path / "none").exists()


def test_the_limit_is_of_bytes_and_reached_by_equality() -> None:
    scratch = Scratch(limit_bytes=60)
    assert scratch.fits((3, 5), torch.float32)
    assert not scratch.fits((16,), torch.float32)
    assert scratch.fits((60,), torch.uint8)


def test_the_disk_is_taken_at_once_and_given_back_with_the_array(tmp_path: Path) -> None:
    files = Path("/proc/self/maps")
    array = Scratch(tmp_path).zeros((64 * MIB,), torch.uint8)
    assert str(tmp_path) in files.read_text()
    del array
    gc.collect()
    assert str(tmp_path) not in files.read_text(), "the disk has its room again"


def test_a_full_disk_is_an_error_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        Scratch(tmp_path).zeros((10,))
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_that_cannot_reserve_is_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unknown)
    array = Scratch(tmp_path).zeros((10,))
    array += 1
    assert float(array.sum()) == 10


KILLED = """
    import os, signal, sys
    from pathlib import Path
    import torch
    from cartl_core.execution.scratch import Scratch
    array = Scratch(Path(sys.argv[1])).zeros((1 << 22,), torch.uint8)
    array += 1
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)], check=False)
    assert ended.returncode == -9
    assert list(tmp_path.iterdir()) == []


def test_its_pages_are_no_anonymous_memory(tmp_path: Path) -> None:
    def anonymous() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024

    before = anonymous()
    array = Scratch(tmp_path).zeros((64 * MIB,), torch.uint8)
    array += 1
    assert anonymous() - before < 16 * MIB
    assert int(array[-1]) == 1
