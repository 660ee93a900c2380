"""The only training loop: stochastic gradient descent over an objective, resumable at any step.

Stages differ by the ``Course`` they pass: which objective, which parameters, which modes. Nothing in
the loop has hidden state: batches and noise come from generators made of (seed, purpose, epoch, step),
the learning rate is a function of the step, so a checkpoint of weights, momentum, the epochs that may still
be chosen and position is enough for a resumed run to give the same bits as one that was never stopped.

A batch that does not fit into a GPU's memory is tried once more in two parts whose gradients are added
up, and so are all batches after it, in this attempt and in later ones (``gradient`` says what that changes).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from cartl_core.data.augment import augment
from cartl_core.errors import Interruption, LossNotFinite, OutOfMemory, ResumeMismatch
from cartl_core.events import Warned
from cartl_core.execution.checkpoint import Checkpoint
from cartl_core.execution.memory_errors import memory_faults
from cartl_core.execution.stage_context import Workplace
from cartl_core.nn.rng import generator
from cartl_core.spec import TrainingSpec
from cartl_core.statistics.checkpoint_selection import chosen, contenders
from cartl_core.training.gradient import Moment, Objective, add_gradient
from cartl_core.training.schedule import learning_rate

HALVINGS = {"cuda": 1, "cpu": 0}
"""How often a batch that does not fit may be halved. A host swaps or kills long before it says no."""
_KEPT = "epoch-"
_FEWEST = 2
"""Images of the smallest part: one image alone has no batch statistics."""


@dataclass(frozen=True)
class Course:
    """What distinguishes one training from another.

    Attributes:
        network: all of whose state (parameters and buffers) is checkpointed.
        tuned: every parameter that is tuned in some epoch, by name; the optimiser passes over those
            that have no gradient in a step.
        objective: (images (N, ...), labels (N,), moment) to a loss.
        begin_epoch: puts modules into their modes and thaws what this epoch tunes; a pure function of
            the epoch, counted from 0.
        validate: figures on the validation split, in eval mode, leaving no trace.
        inputs: (images or cached features (N, ...), labels (N,)); called once, after ``prologue`` or
            after the state was restored.
        prologue: run once, before the first step of the first epoch.
        undecayed: names in ``tuned`` of what weight decay leaves alone.
    """

    network: nn.Module
    tuned: Mapping[str, nn.Parameter]
    objective: Objective
    begin_epoch: Callable[[int], None]
    validate: Callable[[], dict[str, float]]
    inputs: Callable[[], tuple[Tensor, Tensor]]
    prologue: Callable[[], None] = lambda: None
    undecayed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Fitted:
    """The network now has the weights of ``selected_epoch`` (from 1); ``history`` has a row an epoch.

    ``parts`` is 2 when a batch did not fit into memory and gradients were added up from then on, else 1.
    """

    selected_epoch: int
    history: list[dict[str, float]]
    parts: int = 1


@dataclass
class _Position:
    """Where the loop is. ``sums`` are of the running epoch, weighted by batch size.

    ``parts``: pieces that each batch is cut into from here on.
    """

    epoch: int = 0
    step: int = 0
    seen: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    parts: int = 1


def fit(
    course: Course, training: TrainingSpec, *, seed: int, place: Workplace, halvings: int | None = None
) -> Fitted:
    """Train ``course.network``, or go on from the checkpoint that ``place`` has saved.

    The last batch of an epoch is dropped when it is smaller than the others; a set smaller than one
    batch is one batch.

    Args:
        halvings: how often a batch that does not fit into memory may be halved; None: as ``HALVINGS``
            has it for the device.

    Raises:
        LossNotFinite: with the epoch.
        OutOfMemory: with the batch size, and the parts that it was cut into.
        DiskFull: while a checkpoint is written.
        Interruption: the run was asked to stop; a checkpoint was written first.
        ResumeMismatch: the checkpoint is not of this network.
    """
    if halvings is None:
        halvings = HALVINGS[place.runtime.device]
    with memory_faults(training.batch_size, place.key.label):
        return _Loop(course, training, seed, place, halvings).run()


class _Loop:
    """One training under way: the state that a checkpoint saves, and the steps that change it."""

    def __init__(
        self, course: Course, training: TrainingSpec, seed: int, place: Workplace, halvings: int
    ) -> None:
        self.course, self.training, self.seed, self.place = course, training, seed, place
        self.most_parts = 2**halvings
        self.optimizer = torch.optim.SGD(
            _groups(course, training.weight_decay), lr=training.lr, momentum=training.momentum
        )
        self.position = _Position()
        self.kept: dict[int, dict[str, Tensor]] = {}

    def run(self) -> Fitted:
        """All epochs that are left, then the selected weights."""
        if (saved := self.place.saved) is None:
            self.course.prologue()
        else:
            self._restore(saved)
        images, labels = self.course.inputs()
        size = min(self.training.batch_size, len(images))
        steps = len(images) // size
        position = self.position
        while position.epoch < self.training.epochs:
            self.course.begin_epoch(position.epoch)
            order = torch.randperm(len(images), generator=generator(self.seed, "order", position.epoch))
            while position.step < steps:
                drawn = order[position.step * size : (position.step + 1) * size]
                self._step(images[drawn], labels[drawn], steps)
                self._pause(steps)
            self._finish_epoch(steps)
        return Fitted(self._select(), position.history, position.parts)

    def _step(self, images: Tensor, labels: Tensor, steps: int) -> None:
        position, training = self.position, self.training
        moment = Moment(self.seed, position.epoch, position.step, steps=steps)
        images = augment(images, training.augmentation, moment.draw("augmentation"))
        images, labels = self.place.put(images), labels.to(self.place.device)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(training, position.epoch * steps + position.step, steps)
        values = self._gradient(images, labels, moment, steps)
        if not math.isfinite(values["loss"]):
            raise LossNotFinite(
                f"the loss of {self.place.key.label} is {values['loss']} in epoch {position.epoch + 1} of "
                f"{training.epochs}, step {position.step + 1}; try a lower learning rate",
                epoch=position.epoch + 1,
            )
        self.optimizer.step()
        for name, value in values.items():
            position.sums[name] = position.sums.get(name, 0.0) + value * len(images)
        position.seen += len(images)
        position.step += 1

    def _gradient(self, images: Tensor, labels: Tensor, moment: Moment, steps: int) -> dict[str, float]:
        """The gradient of a batch, with the means to show; where memory ends, once more in halves."""
        before = self._buffers() if self._may_halve(len(images)) else None
        try:
            return self._add_up(images, labels, moment)
        except OutOfMemory:
            if before is None:
                raise
        # Not in the handler: there the traceback would hold what the batch has filled memory with.
        self._halve(before, len(images), steps)
        return self._add_up(images, labels, moment)

    def _add_up(self, images: Tensor, labels: Tensor, moment: Moment) -> dict[str, float]:
        parts = self.position.parts
        self.optimizer.zero_grad(set_to_none=True)
        with memory_faults(len(images), self.place.key.label, parts=parts):
            return add_gradient(
                self.course.objective, images, labels, moment, parts=parts, autocast=self.place.autocast
            )

    def _may_halve(self, count: int) -> bool:
        parts = 2 * self.position.parts
        return parts <= self.most_parts and count // parts >= _FEWEST

    def _buffers(self) -> list[tuple[Tensor, Tensor]]:
        """Each buffer and a copy: a forward pass that breaks off has moved some of them."""
        return [(buffer, buffer.clone()) for buffer in self.course.network.buffers()]

    def _halve(self, before: list[tuple[Tensor, Tensor]], count: int, steps: int) -> None:
        """Go back to before the step and halve; saved at once, so that a resumed run halves as well."""
        position = self.position
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for buffer, copy in before:
                buffer.copy_(copy)
        torch.cuda.empty_cache()
        position.parts *= 2
        self._save(steps)
        self.place.report(
            Warned(
                message=f"{self.place.key.label}: a batch of {count} did not fit into memory in epoch "
                f"{position.epoch + 1}, step {position.step + 1}; from there on the gradient of each batch "
                f"is added up over {position.parts} parts of it."
            )
        )

    def _pause(self, steps: int) -> None:
        """Between two steps: tell how far we are, save when it is time, stop when asked to."""
        self.place.progress(self._fraction(steps))
        if self.place.stop.why is not None:
            self._save(steps)
            self.place.stop.check()
        elif self.place.checkpoints.due():
            self._save(steps)

    def _finish_epoch(self, steps: int) -> None:
        position, epochs = self.position, self.training.epochs
        try:
            validated = self.course.validate()
        except Interruption:
            self._save(steps)
            raise
        metrics = {name: total / position.seen for name, total in position.sums.items()} | validated
        last_step = (position.epoch + 1) * steps - 1
        metrics["learning_rate"] = learning_rate(self.training, last_step, steps)
        position.history.append(metrics)
        position.epoch += 1
        position.step, position.seen, position.sums = 0, 0, {}
        self._keep_contenders()
        self._save(steps)
        self.place.tell_epoch(position.epoch, epochs, metrics)

    def _keep_contenders(self) -> None:
        """Keep what this epoch made if it may be chosen in the end; drop what no longer can be."""
        position, training = self.position, self.training
        wanted = contenders(position.history, training.select, training.select_margin)
        if position.epoch in wanted:
            self.kept[position.epoch] = {
                name: tensor.detach().to("cpu", copy=True) for name, tensor in self._moving().items()
            }
        self.kept = {epoch: self.kept[epoch] for epoch in wanted}

    def _moving(self) -> dict[str, Tensor]:
        """The network's tensors that training can change: what is tuned, and all buffers."""
        fixed = dict(self.course.network.named_parameters()).keys() - self.course.tuned.keys()
        state = self.course.network.state_dict()
        return {name: tensor for name, tensor in state.items() if name not in fixed}

    def _select(self) -> int:
        """Give the network the weights of the chosen epoch."""
        position, training = self.position, self.training
        epoch = chosen(position.history, training.select, training.select_margin)
        if epoch in self.kept:
            _load(self.course.network, self.course.network.state_dict() | self.kept[epoch])
        return epoch

    def _fraction(self, steps: int) -> float:
        return min(1.0, (self.position.epoch + self.position.step / steps) / self.training.epochs)

    def _save(self, steps: int) -> None:
        momentum = {
            name: self.optimizer.state[parameter]["momentum_buffer"]
            for name, parameter in self.course.tuned.items()
            if self.optimizer.state.get(parameter, {}).get("momentum_buffer") is not None
        }
        groups = {"network": self.course.network.state_dict(), "momentum": momentum}
        groups |= {f"{_KEPT}{epoch}": tensors for epoch, tensors in self.kept.items()}
        tensors = {
            f"{group}/{name}": tensor for group, named in groups.items() for name, tensor in named.items()
        }
        self.place.checkpoints.save(Checkpoint(tensors, asdict(self.position), self._fraction(steps)))

    def _restore(self, saved: Checkpoint) -> None:
        _load(self.course.network, _group(saved, "network"))
        for name, value in _group(saved, "momentum").items():
            parameter = self.course.tuned[name]
            self.optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(value)
        try:
            self.position = _Position(**saved.state)
        except TypeError as error:
            raise ResumeMismatch(f"a checkpoint is not of this version: {error}") from error
        groups = {name.partition("/")[0] for name in saved.tensors}
        epochs = sorted(int(group.removeprefix(_KEPT)) for group in groups if group.startswith(_KEPT))
        self.kept = {epoch: _group(saved, f"{_KEPT}{epoch}") for epoch in epochs}


def _groups(course: Course, weight_decay: float) -> list[dict[str, Any]]:
    """What is tuned, apart by whether it decays; at least one group."""
    decaying = {True: weight_decay, False: 0.0}
    groups = [
        {
            "params": [value for name, value in course.tuned.items() if (name not in course.undecayed) is so],
            "weight_decay": decay,
        }
        for so, decay in decaying.items()
    ]
    return [group for group in groups if group["params"]]


def _group(saved: Checkpoint, group: str) -> dict[str, Tensor]:
    start = f"{group}/"
    return {
        name.removeprefix(start): value for name, value in saved.tensors.items() if name.startswith(start)
    }


def _load(network: nn.Module, state: Mapping[str, Any]) -> None:
    """Copy values into the network's own tensors, which keep their device and memory layout."""
    try:
        network.load_state_dict(dict(state), strict=True)
    except RuntimeError as error:
        raise ResumeMismatch(f"a checkpoint is not of this network: {error}") from error
