"""In which precision the attacks of a run begin: chosen once, by a short measurement of the job's network."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from cartl_core.attacks import LowPrecision, fold_batch_norm
from cartl_core.catalog.low_precision import LEAST_RATE, may_begin_low
from cartl_core.errors import describe_error
from cartl_core.nn.build import build_network
from cartl_core.nn.rng import generator
from cartl_core.run.runtime import multiplies_bf16
from cartl_core.spec import AttackSpec, Runtime
from cartl_core.spec.existing_network import AnySpec, EvaluateJobSpec

Asked = Literal["auto", "fp32", "bf16"]
ROUNDS = 3
CLASSES = 10
"""Of the network that is measured: the head takes no time worth telling."""
MOST_IMAGES = 32
"""On a CPU, where a large network takes seconds for them; on a GPU it is a batch of the job."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PassSeconds:
    """Of one batch forth and back through a folded copy, in each precision."""

    fp32: float
    bf16: float

    @property
    def rate(self) -> float:
        """How many times as fast bf16 is."""
        return self.fp32 / self.bf16


Measure = Callable[[AnySpec, Runtime], PassSeconds]


def choose(
    spec: AnySpec, runtime: Runtime, *, asked: Asked = "auto", measure: Measure | None = None
) -> Runtime:
    """``runtime`` with the precision in which the attacks of ``spec`` begin.

    fp32 without a measurement where no attack is long enough, where the hardware does not multiply bf16 and
    where ``spec.precision`` is fp32; else bf16 where it is ``LEAST_RATE`` times as fast.

    Args:
        asked: ``fp32`` or ``bf16`` decides without a measurement.
        measure: gives the seconds; None measures, on the device and the threads of ``runtime``.
    """
    if not any(may_begin_low(attack) for attack in _attacks(spec)):
        return runtime
    if asked != "auto":
        return runtime.model_copy(update={"attack_precision": asked})
    if spec.precision == "fp32" or not (measure or multiplies_bf16(runtime.device)):
        return runtime
    try:
        rate = (measure or pass_seconds)(spec, runtime).rate
    except RuntimeError as error:
        # Of torch: a layer without a bf16 kernel, or no memory. Then the attacks would fail as well.
        log.warning("attacks begin in fp32: %s", describe_error(error))
        return runtime
    return runtime.model_copy(update={"attack_precision": "bf16" if rate >= LEAST_RATE else "fp32"})


def pass_seconds(spec: AnySpec, runtime: Runtime) -> PassSeconds:
    """The medians of ``ROUNDS`` rounds by turns, after one that warms up; weights and images are random.

    Seconds are of the processor on a CPU, so that neighbours do not count, and of the wall on a GPU.
    """
    model, device = spec.model, torch.device(runtime.device)
    count = spec.evaluate.batch_size
    if device.type == "cpu":
        count = min(count, MOST_IMAGES)
    flat = (0.5,) * model.channels
    draw = generator(0, "attack precision")
    network = build_network(model, CLASSES, flat, flat, draw)
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    surrogate = fold_batch_norm(network)
    images = torch.rand((count, model.channels, model.image_size, model.image_size), generator=draw)
    images = images.to(device=device, memory_format=torch.channels_last)
    threads = torch.get_num_threads()
    torch.set_num_threads(runtime.threads)
    try:
        taken: dict[nn.Module, list[float]] = {surrogate: [], LowPrecision(surrogate): []}
        for _ in range(1 + ROUNDS):
            for copy, seconds in taken.items():
                seconds.append(_seconds(copy, images))
    finally:
        torch.set_num_threads(threads)
    fp32, bf16 = (statistics.median(seconds[1:]) for seconds in taken.values())
    return PassSeconds(fp32, bf16)


def _seconds(network: nn.Module, images: Tensor) -> float:
    """Of one pass of (N, C, H, W) forth and back."""
    asked = images.detach().requires_grad_(True)
    on_gpu = images.is_cuda
    clock = time.perf_counter if on_gpu else time.process_time
    if on_gpu:
        torch.cuda.synchronize()
    began = clock()
    torch.autograd.grad(network(asked).logsumexp(dim=1).sum(), asked)
    if on_gpu:
        torch.cuda.synchronize()
    return clock() - began


def _attacks(spec: AnySpec) -> tuple[AttackSpec, ...]:
    """All attacks that are measurements of their own."""
    if isinstance(spec, EvaluateJobSpec):
        return tuple(attack for each in spec.on_each() for attack in each.evaluate.attacks)
    compared = (spec.auto.attack,) if spec.auto else ()
    return (*spec.evaluate.attacks, *spec.evaluate.source_attacks, *compared)
