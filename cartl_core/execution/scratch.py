"""Large arrays of a run that are no result: in files without a name, which take no memory of their own.

Such a file is gone when nobody uses the array any more or the process ends, however it ends; it never stands
in a folder. Its pages are the file system's cache: the machine takes them back when others need memory.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import Tensor

IN_MEMORY_BYTES = 2**30
_UNSUPPORTED = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


@dataclass(frozen=True)
class Scratch:
    """Where such arrays go, and how large one of them may be.

    Attributes:
        directory: the files' place, made where it is missing; None keeps arrays in memory.
        limit_bytes: of one array; who needs one asks ``fits``.
    """

    directory: Path | None = None
    limit_bytes: int = IN_MEMORY_BYTES

    def fits(self, shape: tuple[int, ...], dtype: torch.dtype) -> bool:
        """Whether an array of ``shape`` is within the limit."""
        return prod(shape) * dtype.itemsize <= self.limit_bytes

    def zeros(self, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
        """An array of zeros on the CPU; its room on the disk is taken now, so that no write fails later.

        Raises:
            OSError: the disk is full, or the directory cannot be written.
        """
        size = prod(shape) * dtype.itemsize
        if self.directory is None or size == 0:
            return torch.zeros(shape, dtype=dtype)
        self.directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.directory, prefix="scratch-") as file:
            _reserve(file.fileno(), size)
            mapped = mmap.mmap(file.fileno(), size)
        return torch.frombuffer(mapped, dtype=dtype).view(shape)


def _reserve(descriptor: int, size: int) -> None:
    """Take ``size`` bytes of the disk. A page of a mapped file that finds no room would end the process."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _UNSUPPORTED:
            raise
        os.ftruncate(descriptor, size)
