"""The only training loop: stochastic gradient descent over an objective, resumable at any step.

Stages differ by the ``Course`` they pass: which objective, which parameters, which modes. Nothing in
the loop has hidden state: batches and noise come from generators made of (seed, purpose, epoch, step),
the learning rate is a function of the step, so a checkpoint of weights, momentum, best-so-far and
position is enough for a resumed run to give the same bits as one that was never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from cartl_core.checkpoint import Checkpoint
from cartl_core.data.augment import augment
from cartl_core.errors import Interruption, LossNotFinite, ResumeMismatch
from cartl_core.faults import memory_faults
from cartl_core.random import generator
from cartl_core.schedule import learning_rate
from cartl_core.spec import Selection, TrainingSpec
from cartl_core.workplace import Workplace

CLEAN = "clean_accuracy"
ROBUST = "robust_accuracy"
_JUDGED_BY: dict[Selection, str | None] = {"last": None, "best_clean": CLEAN, "best_robust": ROBUST}


@dataclass(frozen=True)
class Moment:
    """One step of one epoch, both counted from 0: all randomness of the step follows from it."""

    seed: int
    epoch: int
    step: int

    def draw(self, purpose: str) -> torch.Generator:
        """A fresh generator for ``purpose`` at this step."""
        return generator(self.seed, purpose, self.epoch, self.step)


@dataclass(frozen=True)
class Loss:
    """What an objective returns: a scalar to descend, and scalars to show (already detached)."""

    total: Tensor
    metrics: Mapping[str, Tensor] = field(default_factory=dict)


Objective = Callable[[Tensor, Tensor, Moment], Loss]


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
    """

    network: nn.Module
    tuned: Mapping[str, nn.Parameter]
    objective: Objective
    begin_epoch: Callable[[int], None]
    validate: Callable[[], dict[str, float]]
    inputs: Callable[[], tuple[Tensor, Tensor]]
    prologue: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Fitted:
    """The network now has the weights of ``selected_epoch`` (from 1); ``history`` has a row an epoch."""

    selected_epoch: int
    history: list[dict[str, float]]


@dataclass
class _Position:
    """Where the loop is. ``sums`` are of the running epoch, weighted by batch size."""

    epoch: int = 0
    step: int = 0
    seen: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    best_score: float | None = None
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def fit(course: Course, training: TrainingSpec, *, seed: int, place: Workplace) -> Fitted:
    """Train ``course.network``, or go on from the checkpoint that ``place`` has saved.

    The last batch of an epoch is dropped when it is smaller than the others; a set smaller than one
    batch is one batch.

    Raises:
        LossNotFinite: with the epoch.
        OutOfMemory: with the batch size.
        DiskFull: while a checkpoint is written.
        Interruption: the run was asked to stop; a checkpoint was written first.
        ResumeMismatch: the checkpoint is not of this network.
    """
    with memory_faults(training.batch_size, place.key.label):
        return _Loop(course, training, seed, place).run()


class _Loop:
    """One training under way: the state that a checkpoint saves, and the steps that change it."""

    def __init__(self, course: Course, training: TrainingSpec, seed: int, place: Workplace) -> None:
        self.course, self.training, self.seed, self.place = course, training, seed, place
        self.optimizer = torch.optim.SGD(
            list(course.tuned.values()),
            lr=training.lr,
            momentum=training.momentum,
            weight_decay=training.weight_decay,
        )
        self.position = _Position()
        self.best: dict[str, Tensor] = {}

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
                chosen = order[position.step * size : (position.step + 1) * size]
                self._step(images[chosen], labels[chosen], steps)
                self._pause(steps)
            self._finish_epoch(steps)
        self._select()
        return Fitted(position.best_epoch, position.history)

    def _step(self, images: Tensor, labels: Tensor, steps: int) -> None:
        position, training = self.position, self.training
        moment = Moment(self.seed, position.epoch, position.step)
        images = augment(images, training.augmentation, moment.draw("augmentation"))
        images, labels = self.place.put(images), labels.to(self.place.device)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(training, position.epoch * steps + position.step, steps)
        with self.place.autocast():
            loss = self.course.objective(images, labels, moment)
        shown = {"loss": loss.total.detach(), **loss.metrics}
        values = dict(
            zip(shown, torch.stack([value.float() for value in shown.values()]).tolist(), strict=True)
        )
        if not math.isfinite(values["loss"]):
            raise LossNotFinite(
                f"the loss of {self.place.key.label} is {values['loss']} in epoch {position.epoch + 1} of "
                f"{training.epochs}, step {position.step + 1}; try a lower learning rate",
                epoch=position.epoch + 1,
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.total.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        for name, value in values.items():
            position.sums[name] = position.sums.get(name, 0.0) + value * len(images)
        position.seen += len(images)
        position.step += 1

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
        self._keep_if_best(metrics)
        self._save(steps)
        self.place.tell_epoch(position.epoch, epochs, metrics)

    def _keep_if_best(self, metrics: dict[str, float]) -> None:
        position, judged_by = self.position, _JUDGED_BY[self.training.select]
        score = None if judged_by is None else metrics[judged_by]
        if score is None:
            position.best_epoch = position.epoch
        elif position.best_score is None or score > position.best_score:
            position.best_score, position.best_epoch = score, position.epoch
            state = self.course.network.state_dict()
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def _select(self) -> None:
        if self.best:
            _load(self.course.network, self.best)

    def _fraction(self, steps: int) -> float:
        return min(1.0, (self.position.epoch + self.position.step / steps) / self.training.epochs)

    def _save(self, steps: int) -> None:
        momentum = {
            name: self.optimizer.state[parameter]["momentum_buffer"]
            for name, parameter in self.course.tuned.items()
            if self.optimizer.state.get(parameter, {}).get("momentum_buffer") is not None
        }
        groups = {"network": self.course.network.state_dict(), "momentum": momentum, "best": self.best}
        tensors = {
            f"{group}/{name}": tensor for group, named in groups.items() for name, tensor in named.items()
        }
        self.place.checkpoints.save(Checkpoint(tensors, asdict(self.position), self._fraction(steps)))

    def _restore(self, saved: Checkpoint) -> None:
        _load(self.course.network, _group(saved, "network"))
        self.best = _group(saved, "best")
        for name, value in _group(saved, "momentum").items():
            parameter = self.course.tuned[name]
            self.optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(value)
        self.position = _Position(**saved.state)


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
