"""Ways to run one pass of an attack, forth and back to the images: as it is, compiled, as a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.gpu.place import Setting, Task
from cartl_core.attacks import fold_batch_norm

WARM_UPS = 3
FAILURES = (RuntimeError, OSError, ImportError, AssertionError, AttributeError, TypeError, ValueError)
"""What a compiler, a driver or a kernel raises that will not do."""
Prepare = Callable[[Setting, nn.Module, Tensor, Tensor], Task]


def one_pass(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The gradient of the cross-entropy at ``images`` (N, C, H, W), which ask for one."""
    total = functional.cross_entropy(network(images), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(total, images)
    return gradient


def as_it_is(setting: Setting, network: nn.Module, images: Tensor, labels: Tensor) -> Task:
    """Kernel by kernel."""
    return lambda: one_pass(network, images, labels)


def compiled(setting: Setting, network: nn.Module, images: Tensor, labels: Tensor) -> Task:
    """By ``torch.compile``."""
    made: Any = torch.compile(network, backend=setting.backend)
    return lambda: one_pass(made, images, labels)


def graph(setting: Setting, network: nn.Module, images: Tensor, labels: Tensor) -> Task:
    """Captured once, replayed each time."""
    if setting.device != "cuda":
        raise RuntimeError("CUDA graphs need a GPU")
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UPS):
            one_pass(network, images, labels)
    torch.cuda.current_stream().wait_stream(aside)
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        one_pass(network, images, labels)
    return captured.replay


WAYS: dict[str, Prepare] = {"as it is": as_it_is, "torch.compile": compiled, "CUDA graph": graph}


def compare(setting: Setting) -> dict[str, Any]:
    """Seconds of each way in bf16, which one won, and why a way cannot be gone here."""
    network = fold_batch_norm(setting.build(setting.network)).to(torch.bfloat16)
    images, labels = setting.images(setting.network)
    images = images.to(torch.bfloat16).to(memory_format=torch.channels_last).requires_grad_(True)
    tasks: dict[str, Task] = {}
    failed: dict[str, str] = {}
    for name, prepare in WAYS.items():
        try:
            task = prepare(setting, network, images, labels)
            task()
            tasks[name] = task
        except FAILURES as error:
            failed[name] = (str(error).splitlines() or [type(error).__name__])[0]
    seconds = setting.seconds(tasks)
    return {"seconds": seconds, "won": min(seconds, key=seconds.__getitem__), "cannot": failed}
