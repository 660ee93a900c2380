"""The device of a measurement, and how time is taken on it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from cartl_core.nn.build import build_network
from cartl_core.nn.network import Network
from cartl_core.nn.rng import generator
from cartl_core.spec import ModelSpec

Task = Callable[[], object]


@dataclass(frozen=True)
class Setting:
    """How large everything is: as it is meant, or so small that a processor rehearses it in seconds.

    Attributes:
        network: of the FDM step, of PGD-100, and of the teacher.
        large: of the share of the matrix rate.
        matrix: rows of the square matrices that the rate is measured with.
        rounds: of each comparison.
        pgd_steps: of the long attack.
        backend: of ``torch.compile``.
        inner_steps: of the attack of a training step.
        most_epochs: of the teacher.
        train_limit: images of its data set; None: all.
    """

    device: str
    network: ModelSpec
    large: ModelSpec
    batch: int
    matrix: int
    rounds: int
    pgd_steps: int
    backend: str
    inner_steps: int = 10
    most_epochs: int = 100
    train_limit: int | None = None

    def build(self, model: ModelSpec, memory: torch.memory_format = torch.channels_last) -> Network:
        """A fresh network with ten classes on the device."""
        shade = (0.5,) * model.channels
        network = build_network(model, 10, shade, shade, generator(0, "network"))
        network.to(device=self.device, memory_format=memory)  # type: ignore[call-overload]
        return network

    def images(self, model: ModelSpec) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch of random images and their labels, on the device."""
        shape = (self.batch, model.channels, model.image_size, model.image_size)
        images = torch.rand(shape, generator=generator(0, "images"))
        return images.to(self.device), (torch.arange(self.batch) % 10).to(self.device)

    def wait(self) -> None:
        """Until the device has done what it was asked."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def seconds(self, tasks: Mapping[str, Task]) -> dict[str, float]:
        """Of wall time: each once to warm up, then by turns, medians."""
        taken: dict[str, list[float]] = {name: [] for name in tasks}
        for number in range(self.rounds + 1):
            for name, task in tasks.items():
                self.wait()
                began = time.perf_counter()
                task()
                self.wait()
                if number:
                    taken[name].append(time.perf_counter() - began)
        return {name: statistics.median(its) for name, its in taken.items()}


WRN_28_4 = {"name": "wrn-28-4", "image_size": 32, "channels": 3}
FULL = Setting(
    device="cuda",
    network=ModelSpec.model_validate(WRN_28_4),
    large=ModelSpec.model_validate({**WRN_28_4, "name": "wrn-28-10"}),
    batch=128,
    matrix=8192,
    rounds=5,
    pgd_steps=100,
    backend="inductor",
)
TINY_MODEL = ModelSpec(name="tiny", image_size=8, channels=3)
TINY = Setting(
    "cpu", TINY_MODEL, TINY_MODEL, 8, 64, 1, 3, "eager", inner_steps=2, most_epochs=1, train_limit=40
)
