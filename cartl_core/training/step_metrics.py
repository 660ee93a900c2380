"""Metrics of training steps, left where they were computed until several steps are fetched at once.

To read a number from a GPU the host waits for all that it has asked of it, and while it waits it asks for
nothing more. So the metrics of a step are kept as tensors. Their sums are taken on the host, in the order of
the steps, and have the same bits however many steps are fetched together.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

FETCH_EVERY = {"cuda": 20, "cpu": 1}
"""Steps that are fetched together. A CPU has nothing to wait for, and tells a faulty loss at once."""


@dataclass(frozen=True)
class StepMetrics:
    """Of one batch, which was computed in one or more pieces.

    Attributes:
        names: ``loss``, then the objective's metrics.
        values: of each piece, a tensor (names,) of means over it, in single precision.
        weights: of each piece, its share of the batch.
    """

    names: tuple[str, ...]
    values: tuple[Tensor, ...]
    weights: tuple[float, ...]

    def fetch(self) -> dict[str, float]:
        """Means over the batch; the host waits for them."""
        return fetched([self])[0]

    def means(self, pieces: list[list[float]]) -> dict[str, float]:
        """The same from the numbers of each piece."""
        found: dict[str, float] = {}
        for weight, numbers in zip(self.weights, pieces, strict=True):
            for name, value in zip(self.names, numbers, strict=True):
                found[name] = found.get(name, 0.0) + weight * value
        return found


def fetched(steps: list[StepMetrics]) -> list[dict[str, float]]:
    """The means of each step, all read from the device at once."""
    if not steps:
        return []
    numbers = iter(torch.cat([piece for step in steps for piece in step.values]).tolist())
    return [step.means([[next(numbers) for _ in step.names] for _ in step.values]) for step in steps]


@dataclass
class Unread:
    """Metrics of steps of the running epoch that nobody has read yet.

    Attributes:
        every: steps that are read together.
    """

    every: int
    steps: list[tuple[int, int, StepMetrics]] = field(default_factory=list)

    def add(self, step: int, images: int, metrics: StepMetrics) -> None:
        """``step`` of the epoch, counted from 0, of so many images."""
        self.steps.append((step, images, metrics))

    @property
    def due(self) -> bool:
        """Whether so many have come together."""
        return len(self.steps) >= self.every

    def read(self) -> list[tuple[int, int, dict[str, float]]]:
        """Step, images and means of each, in order; they are read now."""
        steps, self.steps = self.steps, []
        means = fetched([metrics for _, _, metrics in steps])
        return [(step, images, found) for (step, images, _), found in zip(steps, means, strict=True)]
