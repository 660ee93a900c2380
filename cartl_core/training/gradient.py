"""The gradient of one batch: at once, or accumulated over pieces of it where memory ends.

Shapes: images (N, ...), labels (N,). Each piece weighs as many images as it has, so for a loss that is a
mean over images the sum is the gradient of the whole batch, up to rounding. It is another gradient where
layers or losses look across images: batch norm in train mode then normalises by the statistics of a
piece and moves its running ones once a piece, and spectral norms take one power iteration a piece.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from cartl_core.nn.rng import generator
from cartl_core.training.step_metrics import StepMetrics


class TrainingInputs(Protocol):
    """N images or cached features: all of them as a tensor, or made when they are drawn."""

    def __len__(self) -> int:
        """N."""

    def __getitem__(self, positions: Tensor, /) -> Tensor:
        """(n, ...) of those at ``positions`` (n,), int64."""


class Noise(NamedTuple):
    """Random numbers in the shape of a batch, as an objective asks a ``StepContext`` for them."""

    distribution: Literal["uniform", "normal"]
    purpose: str


@dataclass(frozen=True)
class StepContext:
    """One step of one epoch, both counted from 0: all randomness of the step follows from it.

    Attributes:
        first: which image of the step's batch is the first of those at hand.
        batch: images of the step's batch; None when those at hand are all.
        steps: of each epoch.
        ready: noise of the step's batch that was drawn before the step began.
    """

    seed: int
    epoch: int
    step: int
    first: int = 0
    batch: int | None = None
    steps: int = 1
    ready: Mapping[Noise, Tensor] = field(default_factory=dict, repr=False, compare=False)

    @property
    def count(self) -> int:
        """Steps that came before this one."""
        return self.epoch * self.steps + self.step

    def done(self, epochs: int) -> float:
        """The share of all steps of ``epochs`` that came before this one, 0 to 1."""
        return self.count / (epochs * self.steps)

    def draw(self, purpose: str) -> torch.Generator:
        """A fresh generator for ``purpose`` at this step."""
        return generator(self.seed, purpose, self.epoch, self.step)

    def uniform(self, purpose: str, images: Tensor) -> Tensor:
        """Numbers from [0, 1) in the shape of ``images``, on the CPU; an image has the same in any piece."""
        return self._drawn(Noise("uniform", purpose), images)

    def normal(self, purpose: str, images: Tensor) -> Tensor:
        """Numbers from the standard normal distribution, likewise."""
        return self._drawn(Noise("normal", purpose), images)

    def noise(self, kind: Noise, shape: Sequence[int]) -> Tensor:
        """``kind`` for the whole batch, whose ``shape`` is given."""
        draw = torch.rand if kind.distribution == "uniform" else torch.randn
        return draw(tuple(shape), generator=self.draw(kind.purpose))

    def _drawn(self, kind: Noise, images: Tensor) -> Tensor:
        shape = (len(images) if self.batch is None else self.batch, *images.shape[1:])
        drawn = self.ready.get(kind)
        if drawn is None or drawn.shape != shape:
            drawn = self.noise(kind, shape)
        return drawn[self.first : self.first + len(images)]


@dataclass(frozen=True)
class Loss:
    """What an objective returns: a scalar to descend, and scalars to show (already detached)."""

    total: Tensor
    metrics: Mapping[str, Tensor] = field(default_factory=dict)


Objective = Callable[[Tensor, Tensor, StepContext], Loss]


def add_gradient(
    objective: Objective,
    images: Tensor,
    labels: Tensor,
    step: StepContext,
    *,
    accumulation_steps: int,
    autocast: Callable[[], AbstractContextManager[Any]],
) -> StepMetrics:
    """Add the gradient of ``objective`` on one batch to the parameters' ``.grad``.

    Args:
        accumulation_steps: 1 to N pieces, as equal as can be, one after the other in memory.
        autocast: the precision of the forward pass.

    Returns:
        ``loss`` and the objective's metrics, still on the device; not finite where the loss is not.
    """
    values, weights = list[Tensor](), list[float]()
    names: tuple[str, ...] = ()
    first = 0
    pieces = (torch.tensor_split(batch, accumulation_steps) for batch in (images, labels))
    for piece, answers in zip(*pieces, strict=True):
        weight = len(piece) / len(images)
        with autocast():
            loss = objective(piece, answers, replace(step, first=first, batch=len(images)))
        (weight * loss.total).backward()
        named = {"loss": loss.total.detach(), **loss.metrics}
        names = tuple(named)
        values.append(torch.stack([value.float() for value in named.values()]))
        weights.append(weight)
        first += len(piece)
    return StepMetrics(names, tuple(values), tuple(weights))
