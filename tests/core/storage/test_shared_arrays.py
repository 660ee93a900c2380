"""Shared arrays: computed once by whoever comes first, kept whole or not at all, under a budget."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cartl_core.storage.array_file import HEAD_BYTES, ArrayFormat
from cartl_core.storage.shared_arrays import LOCK, PENDING, Caller, SharedArrays

FORM = ArrayFormat((3, 1000), "uint8", 1)
ONE = HEAD_BYTES + FORM.size
PATIENCE = 60.0


def filled(value: int, made: list[int] | None = None) -> Callable[[mmap.mmap], None]:
    """Writes ``value`` everywhere, and notes that it did."""

    def fill(mapped: mmap.mmap) -> None:
        mapped[HEAD_BYTES:] = bytes([value]) * FORM.size
        if made is not None:
            made.append(value)

    return fill


def numbers(mapped: mmap.mmap | None) -> set[int]:
    assert mapped is not None
    return set(mapped[HEAD_BYTES:])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {LOCK}


def test_the_first_computes_and_others_find_it(tmp_path: Path) -> None:
    made: list[int] = []
    for _ in range(3):
        assert numbers(SharedArrays(tmp_path / "new").get("a", FORM, filled(7, made), Caller())) == {7}
    assert made == [7]
    assert names(tmp_path / "new") == {"a"}


def test_what_a_run_writes_into_a_found_array_stays_with_it(tmp_path: Path) -> None:
    shared = SharedArrays(tmp_path)
    shared.get("a", FORM, filled(7), Caller())
    found = shared.get("a", FORM, filled(8), Caller())
    assert found is not None
    found[HEAD_BYTES:] = bytes(FORM.size)
    assert numbers(shared.get("a", FORM, filled(9), Caller())) == {7}


def test_two_at_once_compute_it_once(tmp_path: Path) -> None:
    began, go_on, made = threading.Event(), threading.Event(), list[int]()
    found: list[set[int]] = []

    def slowly(mapped: mmap.mmap) -> None:
        began.set()
        assert go_on.wait(PATIENCE)
        filled(5, made)(mapped)

    def ask(fill: Callable[[mmap.mmap], None], caller: Caller) -> None:
        found.append(numbers(SharedArrays(tmp_path).get("a", FORM, fill, caller)))

    first = threading.Thread(target=ask, args=(slowly, Caller()))
    first.start()
    assert began.wait(PATIENCE)
    # The second is asked to go on while it waits: only then does the first come to its end.
    second = threading.Thread(target=ask, args=(filled(6, made), Caller(check=go_on.set)))
    second.start()
    first.join(PATIENCE)
    second.join(PATIENCE)
    assert (found, made) == ([{5}, {5}], [5])


def test_who_waits_can_be_stopped_and_what_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop() -> None:
        raise Stopped

    def waits_for_itself(_: mmap.mmap) -> None:
        with pytest.raises(Stopped):
            SharedArrays(tmp_path).get("a", FORM, filled(1), Caller(check=stop))
        stop()

    with pytest.raises(Stopped):
        SharedArrays(tmp_path).get("a", FORM, waits_for_itself, Caller())
    assert names(tmp_path) == set()


def test_what_a_killed_process_left_is_computed_by_the_next(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from cartl_core.storage.array_file import ArrayFormat\n"
        "from cartl_core.storage.shared_arrays import Caller, SharedArrays\n"
        "def fill(mapped):\n"
        "    mapped[4096:5000] = bytes(904); print('begun', flush=True); time.sleep(600)\n"
        "SharedArrays(Path(sys.argv[1])).get('a', ArrayFormat((3, 1000), 'uint8', 1), fill, Caller())\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        assert SharedArrays(tmp_path).unused_for(0) == ()
        process.send_signal(signal.SIGKILL)
    assert names(tmp_path) == {f"a{PENDING}"}
    assert SharedArrays(tmp_path).unused_for(1000) == (tmp_path / f"a{PENDING}",)
    assert numbers(SharedArrays(tmp_path).get("a", FORM, filled(3), Caller())) == {3}
    assert names(tmp_path) == {"a"}


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a bit has turned": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "it is cut short": lambda content: content[:-1],
    "it is empty": lambda _: b"",
    "its head is not there": lambda content: bytes(HEAD_BYTES) + content[HEAD_BYTES:],
    "it is of another shape": lambda content: content.replace(b"[3, 1000]", b"[1000, 3]"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_one_is_dropped_and_computed_again(tmp_path: Path, how: str) -> None:
    shared, told = SharedArrays(tmp_path), list[str]()
    shared.get("a", FORM, filled(7), Caller())
    (tmp_path / "a").write_bytes(DAMAGE[how]((tmp_path / "a").read_bytes()))
    assert numbers(shared.get("a", FORM, filled(8), Caller(tell=told.append))) == {8}
    assert len(told) == 1
    assert numbers(shared.get("a", FORM, filled(9), Caller(tell=told.append))) == {8}
    assert len(told) == 1


def test_the_one_longest_unused_goes_and_who_has_it_keeps_it(tmp_path: Path) -> None:
    shared = SharedArrays(tmp_path, limit_bytes=2 * ONE)
    held = {name: shared.get(name, FORM, filled(value), Caller()) for value, name in enumerate("ab")}
    for name, age in (("a", 100), ("b", 50)):
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    shared.get("a", FORM, filled(9), Caller())
    assert numbers(shared.get("c", FORM, filled(2), Caller())) == {2}
    assert names(tmp_path) == {"a", "c"}
    assert numbers(held["b"]) == {1}


def test_what_has_no_room_is_not_kept(tmp_path: Path) -> None:
    made: list[int] = []
    small = SharedArrays(tmp_path / "small", limit_bytes=ONE - 1)
    assert small.get("a", FORM, filled(1, made), Caller()) is None
    full = SharedArrays(tmp_path / "full", limit_bytes=2 * ONE - 1)

    def needs_another(mapped: mmap.mmap) -> None:
        assert full.get("b", FORM, filled(2, made), Caller()) is None, "the first is not whole yet, and stays"
        filled(1, made)(mapped)

    assert numbers(full.get("a", FORM, needs_another, Caller())) == {1}
    assert (made, names(tmp_path / "full")) == ([1], {"a"})


def test_a_full_disk_drops_others_then_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = SharedArrays(tmp_path)
    shared.get("a", FORM, filled(1), Caller())

    def full(descriptor: int, start: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert shared.get("b", FORM, filled(2), Caller()) is None
    assert names(tmp_path) == set()


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert SharedArrays(tmp_path / "file" / "below").get("a", FORM, filled(1), Caller()) is None


def test_those_unused_for_long_are_named(tmp_path: Path) -> None:
    shared = SharedArrays(tmp_path)
    assert SharedArrays(tmp_path / "none").unused_for(0) == ()
    for name in "ab":
        shared.get(name, FORM, filled(1), Caller())
    os.utime(tmp_path / "a", (time.time() - 1000,) * 2)
    assert shared.unused_for(500) == (tmp_path / "a",)
