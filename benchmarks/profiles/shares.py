"""Shares of the time by kind of operation, as PyTorch's profiler sees them, and the rate of the convolutions.

Beside that rate stands the one of a product of two matrices of 1,024 x 1,024 in the same process: where the
two are alike, no other way to call the same arithmetic is faster.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

KINDS = {
    "aten::mkldnn_convolution": "convolutions, forth",
    "aten::convolution_backward": "convolutions, back",
    "aten::native_batch_norm": "batch norm",
    "aten::native_batch_norm_backward": "batch norm",
    "aten::leaky_relu": "activations",
    "aten::leaky_relu_": "activations",
    "aten::leaky_relu_backward": "activations",
}
REST = "all else"
CONVOLUTIONS = ("convolutions, forth", "convolutions, back")
SIDE = 1024

Watched = Callable[[AbstractContextManager[Any]], object]
"""Runs something, and enters the context around the part of it that is asked about."""


def whole(task: Callable[[], object]) -> Watched:
    """All of a task is asked about."""

    def run(around: AbstractContextManager[Any]) -> None:
        with around:
            task()

    return run


class Convolutions(TorchDispatchMode):
    """Counts the operations of convolutions, forth and back; a multiplication with its addition is two."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Called for each operation within."""
        given = kwargs or {}
        out = func(*args, **given)
        kind = func._overloadpacket
        if "convolution" in str(kind) and kind in flop_registry:
            self.operations += flop_registry[kind](*args, **given, out_val=out)
        return out


def shares_of(watched: Watched, rounds: int) -> dict[str, Any]:
    """Processor seconds (the median of ``rounds``, after one to warm up), shares by kind, GFLOP/s.

    Returns:
        ``processor_s``; ``shares``, which add up to 1; ``convolution_gflops``, None where it convolves
        nothing.
    """
    seconds = statistics.median([_seconds(watched) for _ in range(1 + rounds)][1:])
    profiler = profile(activities=[ProfilerActivity.CPU])
    watched(profiler)
    shares = dict.fromkeys((*dict.fromkeys(KINDS.values()), REST), 0.0)
    for event in profiler.key_averages():
        shares[KINDS.get(event.key, REST)] += event.self_cpu_time_total
    total = sum(shares.values())
    counted = Convolutions()
    watched(counted)
    convolving = seconds * sum(shares[kind] for kind in CONVOLUTIONS) / total
    rate = counted.operations / convolving / 1e9 if counted.operations else None
    return {
        "processor_s": round(seconds, 3),
        "shares": {kind: round(share / total, 3) for kind, share in shares.items()},
        "convolution_gflops": None if rate is None else round(rate, 1),
    }


def matrix_gflops(rounds: int) -> float:
    """GFLOP/s of a product of two square matrices."""
    matrix = torch.rand(SIDE, SIDE)
    seconds = statistics.median(_seconds(whole(lambda: matrix @ matrix)) for _ in range(rounds))
    return round(2 * SIDE**3 / seconds / 1e9, 1)


def _seconds(watched: Watched) -> float:
    taken = 0.0

    @contextmanager
    def stopwatch() -> Iterator[None]:
        nonlocal taken
        began = time.process_time()
        yield
        taken = time.process_time() - began

    watched(stopwatch())
    return taken
