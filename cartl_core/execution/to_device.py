"""Copies to the device that the host does not wait for."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(
    values: Tensor, device: torch.device, *, memory_format: torch.memory_format | None = None
) -> Tensor:
    """``values`` on ``device``, the same numbers; what is there already is not copied.

    From the host to a GPU by way of page-locked memory, so that the host goes on while the copy is under
    way: a copy from other memory first waits for all that the GPU still has to do.
    """
    if device.type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, memory_format=memory_format, non_blocking=True)
    return values.to(device, memory_format=memory_format)


def page_locked(values: Tensor, device: torch.device) -> Tensor:
    """``values`` in memory that ``to_device`` need not copy first; themselves where no GPU is."""
    return values.pin_memory() if device.type == "cuda" else values
