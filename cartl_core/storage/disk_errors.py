"""A full disk, told as the library's own error."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from cartl_core.errors import DiskFull

_FULL = {errno.ENOSPC, errno.EDQUOT}


# What safetensors raises when it writes a file itself.
_FULL_IN_WORDS = ("No space left on device", "Disk quota exceeded")


@contextmanager
def disk_faults(what: str) -> Iterator[None]:
    """A full disk while ``what`` is written becomes ``DiskFull``.

    Raises:
        DiskFull: no space, or no quota, is left.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(f"no space is left while writing {what}", what=what) from error
        raise
    except Exception as error:
        if any(words in str(error) for words in _FULL_IN_WORDS):
            raise DiskFull(f"no space is left while writing {what}", what=what) from error
        raise
