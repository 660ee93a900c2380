"""The machine's faults, told in the library's own errors.

Torch and the operating system speak of allocators and error numbers; a job's owner needs to know that
the disk is full or which batch did not fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cartl_core.errors import OutOfMemory

# What torch raises as a plain RuntimeError when the host's memory ends, or the GPU's within a library.
_ALLOCATION = (
    "can't allocate memory",
    "not enough memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


@contextmanager
def memory_faults(batch_size: int, what: str, *, parts: int = 1) -> Iterator[None]:
    """An allocation that fails while ``what`` runs becomes ``OutOfMemory`` with the batch size tried.

    Args:
        parts: pieces that each batch was cut into.

    Raises:
        OutOfMemory: the device, or the host when it is the device, ran out of memory.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(batch_size, what, parts) from error
    except RuntimeError as error:
        if any(words in str(error) for words in _ALLOCATION):
            raise _out_of_memory(batch_size, what, parts) from error
        raise


def _out_of_memory(batch_size: int, what: str, parts: int) -> OutOfMemory:
    tried = f"batches of {batch_size}" + (f", each in {parts} parts" if parts > 1 else "")
    return OutOfMemory(
        f"the device ran out of memory in {what} with {tried}; try a smaller batch_size",
        batch_size=batch_size,
        parts=parts,
        stage=what,
    )
