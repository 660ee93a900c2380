"""What a run frees goes back to the machine, unless a person has said how memory is kept."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from cartl_core.compat.allocator import SETTINGS, return_freed_memory

PROGRAM = """
import ctypes, sys
from cartl_core.compat.allocator import return_freed_memory
if sys.argv[1] == "yes":
    assert return_freed_memory({})
c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes, c.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
c.free(c.malloc(30 * 2**20))  # from now on the C library keeps what is smaller
class Counts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena o s blocks bytes u f used free top".split()]
c.mallinfo2.restype = Counts
before = c.mallinfo2().bytes
held = c.malloc(4 * 2**20)
print(c.mallinfo2().bytes - before >= 4 * 2**20)
"""


@pytest.mark.parametrize("name", SETTINGS)
def test_what_a_person_has_set_stays(name: str) -> None:
    assert not return_freed_memory({name: "1"})


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="not the C library of GNU, or an old one"
)
@pytest.mark.parametrize(("asked", "by_itself"), [("yes", "True"), ("no", "False")])
def test_an_array_of_four_mib_is_taken_from_the_machine_by_itself(asked: str, by_itself: str) -> None:
    """Also after a larger one was freed; that it is not, where nothing was set, is the cause."""
    told = subprocess.run([sys.executable, "-c", PROGRAM, asked], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == by_itself


def test_the_command_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own process alone: a program that calls ``main`` keeps its memory as it likes."""
    from cartl_core import __main__ as command

    asked = list[bool]()
    monkeypatch.setattr(command, "return_freed_memory", lambda environment: asked.append(True))
    monkeypatch.setattr(sys, "argv", ["cartl_core", "fetch", "--help"])
    for arguments, times in ((["fetch", "--help"], 0), (None, 1)):
        with pytest.raises(SystemExit):
            command.main(arguments)
        assert len(asked) == times
