"""The only training loop: stochastic gradient descent over an objective, resumable at any step.

Stages differ by the ``TrainingTask`` they pass: which objective, which parameters, which modes. Nothing in
the loop has hidden state (``state`` says what is saved), so a resumed run gives the same bits as one that
was never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass

from torch import Tensor, nn

from cartl_core.compat.allocator import return_freed_memory
from cartl_core.errors import Interruption, LossNotFinite
from cartl_core.execution.memory_errors import memory_faults
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.files import require_finite
from cartl_core.nn.rng import generator
from cartl_core.spec import TrainingSpec
from cartl_core.training.batches import FEEDING, Batch, Batches, Feeding
from cartl_core.training.class_balance import epoch_order
from cartl_core.training.gradient import Noise, Objective, TrainingInputs
from cartl_core.training.memory import HALVINGS, BatchGradient
from cartl_core.training.schedule import learning_rate
from cartl_core.training.state import TrainingState
from cartl_core.training.step_metrics import FETCH_EVERY, Unread
from cartl_core.training.views import Views


@dataclass(frozen=True)
class TrainingTask:
    """What distinguishes one training from another.

    Attributes:
        network: all of whose state (parameters and buffers) is checkpointed.
        tuned: every parameter that is tuned in some epoch, by name; the optimiser passes over those
            that have no gradient in a step.
        objective: (images (N, ...), labels (N,), step) to a loss.
        begin_epoch: puts modules into their modes and thaws what this epoch tunes; a pure function of
            the epoch, counted from 0.
        validate: figures on the validation split, in eval mode, leaving no trace.
        inputs: (images or cached features of N images, labels (N,)); called once, after ``prologue`` or
            after the state was restored.
        prologue: run once, before the first step of the first epoch.
        undecayed: names in ``tuned`` of what weight decay leaves alone.
        noise: what the objective draws in each step, so that it can be drawn ahead.
    """

    network: nn.Module
    tuned: Mapping[str, nn.Parameter]
    objective: Objective
    begin_epoch: Callable[[int], None]
    validate: Callable[[], dict[str, float]]
    inputs: Callable[[], tuple[TrainingInputs | Views, Tensor]]
    prologue: Callable[[], None] = lambda: None
    undecayed: frozenset[str] = frozenset()
    noise: tuple[Noise, ...] = ()


@dataclass(frozen=True)
class TrainingResult:
    """The network now has the weights of ``selected_epoch``.

    Attributes:
        selected_epoch: counted from 1.
        history: mean metrics of each epoch.
        accumulation_steps: 2 when a batch did not fit into memory and gradients were added up over two
            halves from then on, else 1.
    """

    selected_epoch: int
    history: list[dict[str, float]]
    accumulation_steps: int = 1


def fit(
    task: TrainingTask,
    training: TrainingSpec,
    *,
    seed: int,
    ctx: StageContext,
    halvings: int | None = None,
    fetch_every: int | None = None,
    feeding: Feeding | None = None,
) -> TrainingResult:
    """Train ``task.network``, or go on from the checkpoint that ``ctx`` has saved.

    The last batch of an epoch is dropped when it is smaller than the others; a set smaller than one
    batch is one batch.

    Args:
        halvings: how often a batch that does not fit into memory may be halved; None: as ``HALVINGS``
            has it for the device.
        fetch_every: steps whose metrics are read together; None: as ``FETCH_EVERY`` has it. The numbers are
            the same.
        feeding: how batches reach the device; None: as ``FEEDING`` has it. The numbers are the same.

    Raises:
        LossNotFinite: with the epoch; the loss, or another figure of the objective. It is raised when the
            metrics of that step are read, and always before a checkpoint is written.
        WeightsNotFinite: the weights at the end are not all finite, though every loss was.
        OutOfMemory: with the batch size, and the pieces that it was cut into.
        DiskFull: while a checkpoint is written.
        Interruption: the run was asked to stop; a checkpoint was written first.
        ResumeMismatch: the checkpoint is not of this network.
    """
    if halvings is None:
        halvings = HALVINGS[ctx.runtime.device]
    feeding = feeding or FEEDING.get(ctx.runtime.device, Feeding())
    with memory_faults(training.batch_size, ctx.key.label):
        unread = Unread(fetch_every or FETCH_EVERY[ctx.runtime.device])
        loop = _Loop(task, training, seed, ctx, unread, feeding)
        return loop.run(most_accumulation_steps=2**halvings)


class _Loop:
    """One training under way: epochs, steps, and when to save, to tell and to stop."""

    def __init__(
        self,
        task: TrainingTask,
        training: TrainingSpec,
        seed: int,
        ctx: StageContext,
        unread: Unread,
        feeding: Feeding,
    ) -> None:
        self.task, self.training, self.seed, self.ctx, self.unread = task, training, seed, ctx, unread
        self.feeding = feeding
        self.state = TrainingState(task.network, task.tuned, task.undecayed, training)

    def run(self, most_accumulation_steps: int) -> TrainingResult:
        """All epochs that are left, then the selected weights."""
        if (saved := self.ctx.saved) is None:
            self.task.prologue()
        else:
            self.state.restore(saved)
        inputs, labels = self.task.inputs()
        return_freed_memory()  # of what was computed once, before the arrays of steps are taken
        size = min(self.training.batch_size, len(inputs))
        steps = len(inputs) // size
        gradient = BatchGradient(
            self.task.objective, self.state, self.ctx, most_accumulation_steps, lambda: self._save(steps)
        )
        batches = Batches(
            inputs, labels, self.training, size, steps, self.seed, self.ctx, self.task.noise, self.feeding
        )
        position = self.state.position
        while position.epoch < self.training.epochs:
            self.task.begin_epoch(position.epoch)
            order = epoch_order(self.training.sampling, labels, generator(self.seed, "order", position.epoch))
            with closing(batches.of_epoch(position.epoch, order, position.step)) as drawn:
                for batch in drawn:
                    self._step(batch, steps, gradient)
                    self._pause(steps)
            self._finish_epoch(steps)
        selected = self.state.select()
        require_finite(self.task.network.state_dict(), f"the weights of {self.ctx.key.label} after training")
        return TrainingResult(selected, position.history, position.accumulation_steps)

    def _step(self, batch: Batch, steps: int, gradient: BatchGradient) -> None:
        position, training, optimizer = self.state.position, self.training, self.state.optimizer
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(training, batch.step.count, steps)
        metrics = gradient.compute(batch.inputs, batch.labels, batch.step)
        self.unread.add(position.step, len(batch.inputs), metrics)
        if self.unread.due:
            self._read_metrics()
        optimizer.step()
        position.step += 1

    def _read_metrics(self) -> None:
        """Fetch what is unread into the position; the host waits for the steps that it belongs to.

        Raises:
            LossNotFinite: of the first step that has such a figure.
        """
        position = self.state.position
        for step, images, metrics in self.unread.read():
            for name, value in metrics.items():
                if not math.isfinite(value):
                    raise LossNotFinite(
                        f"the {name.replace('_', ' ')} of {self.ctx.key.label} is {value} in epoch "
                        f"{position.epoch + 1} of {self.training.epochs}, step {step + 1}; try a lower "
                        "learning rate",
                        epoch=position.epoch + 1,
                    )
            position.note(metrics, images)

    def _pause(self, steps: int) -> None:
        """Between two steps: tell how far we are, save when it is time, stop when asked to."""
        self.ctx.progress(self._fraction(steps))
        if self.ctx.stop.why is not None:
            self._save(steps)
            self.ctx.stop.check()
        elif self.ctx.checkpoints.due():
            self._save(steps)

    def _finish_epoch(self, steps: int) -> None:
        position, epochs = self.state.position, self.training.epochs
        self._read_metrics()
        try:
            validated = self.task.validate()
        except Interruption:
            self._save(steps)
            raise
        last_step = (position.epoch + 1) * steps - 1
        rate = learning_rate(self.training, last_step, steps)
        metrics = position.means() | validated | {"learning_rate": rate}
        self.state.finish_epoch(metrics)
        self._save(steps)
        self.ctx.tell_epoch(position.epoch, epochs, metrics)

    def _fraction(self, steps: int) -> float:
        return self.state.position.fraction(steps, self.training.epochs)

    def _save(self, steps: int) -> None:
        self._read_metrics()
        self.ctx.checkpoints.save(self.state.checkpoint(self._fraction(steps)))
