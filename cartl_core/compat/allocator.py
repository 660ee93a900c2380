"""What was freed goes back to the machine between the parts of a run.

The C library of Linux raises the size from which it takes an array from the machine by itself to that of the
largest that was freed, up to 32 MiB, and then keeps twice as much. Activations of many sizes leave holes in
what it keeps, which the next part of a run cannot fill with arrays of other sizes.
"""

from __future__ import annotations

import ctypes


def return_freed_memory() -> bool:
    """Give back the pages that hold nothing, in milliseconds; False where the C library has no such call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return False
    trim(0)
    return True
