"""Work on the test images batch by batch, with checkpoints between batches."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from cartl_core.execution.checkpoint import Checkpoint
from cartl_core.execution.memory_errors import memory_faults
from cartl_core.execution.stage_context import StageContext

Rows = dict[str, Tensor]
"""Tensors of one row an image, by name, on the CPU."""


def in_batches(
    count: int, batch_size: int, compute: Callable[[slice], Rows], ctx: StageContext
) -> tuple[Rows, float]:
    """Compute the rows of ``count`` images; goes on at the batch that a checkpoint had reached.

    Args:
        count: at least 1.
        compute: gives the rows of the images in a slice.

    Returns:
        The rows of all images, and the seconds of computing over all attempts.
    """
    saved = ctx.saved
    done = [saved.tensors] if saved else []
    reached = _length(saved.tensors) if saved else 0
    seconds = float(saved.state["seconds"]) if saved else 0.0
    with memory_faults(batch_size, ctx.key.label):
        for first in range(reached, count, batch_size):
            ctx.progress(first / count)
            if done and (ctx.stop.why is not None or ctx.checkpoints.due()):
                ctx.checkpoints.save(Checkpoint(_joined(done), {"seconds": seconds}, first / count))
            ctx.stop.check()
            started = time.monotonic()
            rows = compute(slice(first, min(first + batch_size, count)))
            done.append({name: tensor.cpu() for name, tensor in rows.items()})
            seconds += time.monotonic() - started
    return _joined(done), seconds


def _joined(batches: list[Rows]) -> Rows:
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}


def _length(rows: Rows) -> int:
    return len(next(iter(rows.values())))
