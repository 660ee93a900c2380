"""The batches of an epoch: drawn on the host, ahead of their steps where the device is another one.

All that is random follows from the seed, the epoch and the step, so a batch is the same whenever it is drawn,
and whatever was drawn ahead when a run stops is drawn again. Shapes: inputs (n, ...), labels (n,).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

from torch import Tensor

from cartl_core.data import ImageSet
from cartl_core.data.augment import augment
from cartl_core.data.image_set import StoredPixels
from cartl_core.execution.stage_context import StageContext
from cartl_core.execution.to_device import page_locked, to_device
from cartl_core.spec import TrainingSpec
from cartl_core.training.gradient import Noise, StepContext, TrainingInputs
from cartl_core.training.views import Views

Made = TypeVar("Made")


@dataclass(frozen=True)
class Feeding:
    """How batches reach the device; the numbers there are the same.

    Attributes:
        as_bytes: images that are kept as bytes are copied as bytes, and made floats on the device.
        ahead: batches that a thread draws before their steps; 0: each is drawn in its step.
    """

    as_bytes: bool = False
    ahead: int = 0


FEEDING = {"cuda": Feeding(as_bytes=True, ahead=2)}
"""On a CPU the steps themselves take all threads, and there is nothing to copy."""


@dataclass(frozen=True)
class Batch:
    """What one step is computed on, on the device."""

    inputs: Tensor
    labels: Tensor
    step: StepContext


@dataclass(frozen=True)
class Batches:
    """How the batches of all epochs are drawn.

    Attributes:
        labels: (N,).
        size: images of a batch.
        steps: of an epoch.
        noise: what the objective asks its steps for; what is not named here is drawn in the step.
    """

    inputs: TrainingInputs | Views
    labels: Tensor
    training: TrainingSpec
    size: int
    steps: int
    seed: int
    ctx: StageContext
    noise: tuple[Noise, ...] = ()
    feeding: Feeding = Feeding()

    def of_epoch(self, epoch: int, order: Tensor, first: int) -> Generator[Batch, None, None]:
        """The batches from step ``first`` on; closing it ends the thread that draws them.

        Args:
            order: (N,), the images of the epoch.
        """

        def make(number: int) -> _OnHost:
            return self._drawn(order[number * self.size : (number + 1) * self.size], epoch, number)

        with closing(drawn_ahead(make, range(first, self.steps), self.feeding.ahead)) as drawn:
            for batch in drawn:
                yield self._received(batch)

    def _drawn(self, chosen: Tensor, epoch: int, number: int) -> _OnHost:
        step = StepContext(self.seed, epoch, number, steps=self.steps)
        device = self.ctx.device
        inputs = self._inputs(chosen, step)
        if isinstance(inputs, StoredPixels):
            inputs = replace(inputs, pixels=page_locked(inputs.pixels, device))
        else:
            inputs = page_locked(inputs, device)
        ahead = self.noise if self.feeding.ahead else ()
        ready = {kind: step.noise(kind, inputs.shape) for kind in ahead}
        return _OnHost(inputs, page_locked(self.labels[chosen], device), step, ready)

    def _inputs(self, chosen: Tensor, step: StepContext) -> Tensor | StoredPixels:
        if isinstance(self.inputs, Views):
            return self.inputs.of_step(chosen, step)
        kind, draws = self.training.augmentation, step.draw("augmentation")
        if self.feeding.as_bytes and isinstance(self.inputs, ImageSet):
            stored = self.inputs.stored(chosen)
            if stored is not None:
                return replace(stored, pixels=augment(stored.pixels, kind, draws))
        return augment(self.inputs[chosen], kind, draws)

    def _received(self, batch: _OnHost) -> Batch:
        ctx, inputs = self.ctx, batch.inputs
        if isinstance(inputs, StoredPixels):
            inputs = replace(inputs, pixels=to_device(inputs.pixels, ctx.device)).floats()
        step = replace(batch.step, ready=batch.ready)
        return Batch(ctx.put(inputs), to_device(batch.labels, ctx.device), step)


@dataclass(frozen=True)
class _OnHost:
    """A batch before it is copied."""

    inputs: Tensor | StoredPixels
    labels: Tensor
    step: StepContext
    ready: Mapping[Noise, Tensor]


def drawn_ahead(make: Callable[[int], Made], numbers: range, ahead: int) -> Generator[Made, None, None]:
    """``make`` of each number, in order; up to ``ahead`` are made by a thread before they are asked for.

    What ``make`` raises is raised where its value is asked for. When the iterator is closed the thread ends.
    """
    if ahead == 0:
        yield from map(make, numbers)
        return
    left = iter(numbers)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as thread:
        waiting: deque[Future[Made]] = deque(thread.submit(make, number) for number in islice(left, ahead))
        try:
            while waiting:
                made = waiting.popleft().result()
                waiting.extend(thread.submit(make, number) for number in islice(left, 1))
                yield made
        finally:
            thread.shutdown(wait=True, cancel_futures=True)
