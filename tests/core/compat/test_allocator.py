"""What was freed goes back to the machine, also from below what is still held."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes
from cartl_core.compat.allocator import return_freed_memory

def held():
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024

c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes, c.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
SIZE, COUNT = 100 * 2**10, 400
arrays = [c.malloc(SIZE) for _ in range(COUNT)]
for array in arrays:
    ctypes.memset(array, 1, SIZE)
for array in arrays[:-1]:
    c.free(array)  # the last one, above them all, stays
before = held()
assert return_freed_memory()
print(before - held() > SIZE * COUNT / 2)
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library cannot be asked to give memory back"
)
def test_pages_that_hold_nothing_are_given_back() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "True"
