"""What a run frees goes back to the machine at once, where nobody has set how memory is kept.

The C library of Linux raises the size from which it takes an array from the machine by itself to that of the
largest that was freed, up to 32 MiB, and then keeps twice as much. Activations of many sizes leave holes in
what it keeps: a quarter of the peak of a transfer (docs/explanation/benchmarks.md).
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

THRESHOLD = 2**20
"""Bytes from which an array comes from the machine by itself; most arrays of a small network are smaller."""
SETTINGS = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")
"""What a person may have set; then it stays as it is."""
_M_MMAP_THRESHOLD = -3
"""Of malloc.h."""


def return_freed_memory(environment: Mapping[str, str]) -> bool:
    """Set it for this process; False where a person has said something else, or the C library has no such."""
    if any(name in environment for name in SETTINGS):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_M_MMAP_THRESHOLD, THRESHOLD) == 1
