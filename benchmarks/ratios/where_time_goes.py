"""Where the time of an FDM step goes: ``python -m benchmarks.ratios.where_time_goes [CASE NUMBER]``.

Shares of a step by kind of operation, for the plain loop and for ours, as PyTorch's profiler sees them. With
them the rate at which the convolutions multiply, and that of a product of two matrices of 1,024 x 1,024 in
the same process: where the two are alike, no other way to call the same arithmetic is faster.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks.ratios.contest import Task, processor_seconds
from benchmarks.ratios.results import machine
from benchmarks.ratios.training_steps import CASES, Training

FILE = Path(__file__).resolve().parents[1] / "results" / "profile-fdm-step.json"
KINDS = {
    "aten::mkldnn_convolution": "convolutions, forth",
    "aten::convolution_backward": "convolutions, back",
    "aten::native_batch_norm": "batch norm",
    "aten::native_batch_norm_backward": "batch norm",
    "aten::leaky_relu": "activations",
    "aten::leaky_relu_backward": "activations",
}
REST = "all else"
CONVOLUTIONS = ("convolutions, forth", "convolutions, back")
ROUNDS, SIDE = 3, 1024


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


def main(arguments: list[str]) -> None:
    """Profile one case and write the file."""
    torch.set_num_threads(1)
    name = list(CASES)[int(arguments[0]) if arguments else 0]
    training = Training.of(CASES[name], fdm=True)
    tasks: dict[str, Task] = {
        "a plain loop": partial(training.plain, torch.contiguous_format),
        "ours": training.ours,
    }
    matrix = torch.rand(SIDE, SIDE)
    product = _median(lambda: matrix @ matrix)
    found = {
        "case": name,
        "machine": machine(),
        "torch": torch.__version__,
        "matrix_gflops": round(2 * SIDE**3 / product / 1e9, 1),
        "contestants": {who: profiled(task) for who, task in tasks.items()},
    }
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join(lines(found)) + "\n")


def profiled(task: Task) -> dict[str, Any]:
    """Processor seconds, shares by kind, and the rate of the convolutions."""
    task()
    seconds = _median(task)
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        task()
    shares = dict.fromkeys((*dict.fromkeys(KINDS.values()), REST), 0.0)
    for event in watched.key_averages():
        shares[KINDS.get(event.key, REST)] += event.self_cpu_time_total
    total = sum(shares.values())
    with Convolutions() as counted:
        task()
    convolving = seconds * sum(shares[kind] for kind in CONVOLUTIONS) / total
    return {
        "processor_s": round(seconds, 3),
        "shares": {kind: round(share / total, 3) for kind, share in shares.items()},
        "convolution_gflops": round(counted.operations / convolving / 1e9, 1),
    }


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The table of the page, and what stands above it."""
    contestants = found["contestants"]
    yield f"{found['case']}; one thread of {found['machine']}."
    yield ""
    yield f"| | {' | '.join(contestants)} |"
    yield "|---|" + "---|" * len(contestants)
    for kind in next(iter(contestants.values()))["shares"]:
        shares = " | ".join(f"{100 * its['shares'][kind]:.0f} %" for its in contestants.values())
        yield f"| {kind} | {shares} |"
    yield f"| processor seconds | {' | '.join(str(its['processor_s']) for its in contestants.values())} |"
    rates = " | ".join(str(its["convolution_gflops"]) for its in contestants.values())
    yield f"| GFLOP/s of the convolutions (a product of matrices: {found['matrix_gflops']}) | {rates} |"


def table() -> str:
    """The same from the file."""
    return "\n".join(lines(json.loads(FILE.read_text(encoding="utf-8")))) + "\n"


def _median(task: Task) -> float:
    return statistics.median(processor_seconds(task) for _ in range(ROUNDS))


if __name__ == "__main__":
    main(sys.argv[1:])
