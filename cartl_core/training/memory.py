"""Batches that do not fit into memory: halved, with the gradients of the halves added up.

A batch that does not fit into a GPU's memory is tried once more in two halves, and so are all batches after
it, in this attempt and in later ones (``gradient`` says what that changes).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cartl_core.errors import OutOfMemory
from cartl_core.events import Warned
from cartl_core.execution.memory_errors import memory_faults
from cartl_core.execution.stage_context import StageContext
from cartl_core.training.gradient import Objective, StepContext, add_gradient
from cartl_core.training.state import TrainingState
from cartl_core.training.step_metrics import StepMetrics

HALVINGS = {"cuda": 1, "cpu": 0}
"""How often a batch that does not fit may be halved. A host swaps or kills long before it says no."""
SMALLEST_PIECE = 2
"""Images: one image alone has no batch statistics."""


@dataclass(frozen=True)
class BatchGradient:
    """Computes the gradient of a batch, in as many accumulation steps as memory asks for.

    Attributes:
        most_steps: accumulation steps that a batch may be cut into, 1 or more.
        save: writes a checkpoint of ``state``.
    """

    objective: Objective
    state: TrainingState
    ctx: StageContext
    most_steps: int
    save: Callable[[], None]

    def compute(self, images: Tensor, labels: Tensor, step: StepContext) -> StepMetrics:
        """Set the gradients of one batch; returns its mean loss and metrics, unread.

        Raises:
            OutOfMemory: with the batch size, and the accumulation steps tried.
        """
        before = self._buffers() if self._may_halve(len(images)) else None
        try:
            return self._accumulate(images, labels, step)
        except OutOfMemory:
            if before is None:
                raise
        # Not in the handler: there the traceback would hold what the batch has filled memory with.
        self._halve(before, len(images))
        return self._accumulate(images, labels, step)

    def _accumulate(self, images: Tensor, labels: Tensor, step: StepContext) -> StepMetrics:
        accumulation_steps = self.state.position.accumulation_steps
        self.state.optimizer.zero_grad(set_to_none=True)
        with memory_faults(len(images), self.ctx.key.label, parts=accumulation_steps):
            return add_gradient(
                self.objective,
                images,
                labels,
                step,
                accumulation_steps=accumulation_steps,
                autocast=self.ctx.autocast,
            )

    def _may_halve(self, count: int) -> bool:
        wanted = 2 * self.state.position.accumulation_steps
        return wanted <= self.most_steps and count // wanted >= SMALLEST_PIECE

    def _buffers(self) -> list[tuple[Tensor, Tensor]]:
        """Each buffer and a copy: a forward pass that breaks off has moved some of them."""
        return [(buffer, buffer.clone()) for buffer in self.state.network.buffers()]

    def _halve(self, before: list[tuple[Tensor, Tensor]], count: int) -> None:
        """Go back to before the step and halve; saved at once, so that a resumed run halves as well."""
        position = self.state.position
        self.state.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for buffer, copy in before:
                buffer.copy_(copy)
        torch.cuda.empty_cache()
        position.accumulation_steps *= 2
        self.save()
        self.ctx.report(
            Warned(
                message=f"{self.ctx.key.label}: a batch of {count} did not fit into memory in epoch "
                f"{position.epoch + 1}, step {position.step + 1}; from there on the gradient of each batch "
                f"is added up over {position.accumulation_steps} parts of it."
            )
        )
