"""An array that a stage computes: shared with other runs under a digest, or the stage's own."""

from __future__ import annotations

from collections.abc import Callable
from mmap import mmap

import torch
from torch import Tensor

from cartl_core.execution.scratch import Scratch
from cartl_core.storage.array_file import HEAD_BYTES, ArrayFormat
from cartl_core.storage.shared_arrays import Caller, SharedArrays

Fill = Callable[[Tensor], None]
"""Writes every number of the array that it is given."""


def kept_array(
    shape: tuple[int, ...],
    dtype: torch.dtype,
    fill: Fill,
    *,
    digest: str | None,
    shared: SharedArrays | None,
    scratch: Scratch,
    caller: Caller,
) -> Tensor:
    """An array on the CPU that ``fill`` has written, here or in another run.

    Args:
        digest: of all that determines its numbers; None: nobody else can know it.
        shared: where it is looked for and left; None: nowhere.
        scratch: where it goes when it is not shared.

    Raises:
        OSError: the disk is full.
    """
    if shared is not None and digest is not None:
        form = ArrayFormat(shape, str(dtype).removeprefix("torch."), dtype.itemsize)
        mapped = shared.get(digest, form, lambda file: fill(_numbers(file, shape, dtype)), caller)
        if mapped is not None:
            return _numbers(mapped, shape, dtype)
    kept = scratch.zeros(shape, dtype)
    fill(kept)
    return kept


def _numbers(mapped: mmap, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.frombuffer(mapped, dtype=dtype, offset=HEAD_BYTES).view(shape)
