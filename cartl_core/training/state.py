"""State of a training under way: what a checkpoint saves, and what a resumed run restores.

Weights and buffers, momentum, the epochs that may still be selected, and the position. Nothing else has a
state: batches and noise come from generators made of (seed, purpose, epoch, step), and the learning rate is
a function of the step.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from cartl_core.errors import ResumeMismatch
from cartl_core.execution.checkpoint import Checkpoint
from cartl_core.spec import TrainingSpec
from cartl_core.statistics.checkpoint_selection import chosen, contenders

_EPOCH = "epoch-"
_STORED_AS = {"accumulation_steps": "parts"}
"""Fields of ``Position`` that checkpoints have under another name."""


@dataclass
class Position:
    """Where a training is.

    Attributes:
        epoch: finished epochs.
        step: steps of the running epoch that are done.
        seen: images of the running epoch whose metrics are in ``sums``.
        sums: metrics of the running epoch, summed over those images.
        history: mean metrics of each finished epoch.
        accumulation_steps: pieces that each batch is cut into from here on; their gradients are added up.
    """

    epoch: int = 0
    step: int = 0
    seen: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    accumulation_steps: int = 1

    def stored(self) -> dict[str, Any]:
        """The position as a checkpoint has it."""
        return {_STORED_AS.get(name, name): value for name, value in asdict(self).items()}

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Position:
        """The position in a checkpoint.

        Raises:
            ResumeMismatch: another version wrote it.
        """
        names = {old: name for name, old in _STORED_AS.items()}
        try:
            return cls(**{names.get(name, name): value for name, value in stored.items()})
        except TypeError as error:
            raise ResumeMismatch(f"a checkpoint is not of this version: {error}") from error

    def note(self, metrics: Mapping[str, float], images: int) -> None:
        """The metrics of one step, means over ``images`` images; in the order of the steps."""
        for name, value in metrics.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * images
        self.seen += images

    def means(self) -> dict[str, float]:
        """Metrics of the running epoch, averaged over the images that were noted."""
        return {name: total / self.seen for name, total in self.sums.items()}

    def finish_epoch(self, metrics: dict[str, float]) -> None:
        """Append the metrics of the running epoch and go to the first step of the next."""
        self.history.append(metrics)
        self.epoch += 1
        self.step, self.seen, self.sums = 0, 0, {}

    def fraction(self, steps: int, epochs: int) -> float:
        """How much of the training is done, 0 to 1; ``steps``: of an epoch."""
        return min(1.0, (self.epoch + self.step / steps) / epochs)


class TrainingState:
    """The tensors of one training, and its position.

    Args:
        network: all of whose parameters and buffers are checkpointed.
        tuned: parameters that are tuned in some epoch, by name.
        undecayed: names in ``tuned`` of what weight decay leaves alone.
    """

    def __init__(
        self,
        network: nn.Module,
        tuned: Mapping[str, nn.Parameter],
        undecayed: Set[str],
        training: TrainingSpec,
    ) -> None:
        self.network, self.tuned, self.training = network, tuned, training
        self.optimizer = torch.optim.SGD(
            _parameter_groups(tuned, undecayed, training.weight_decay),
            lr=training.lr,
            momentum=training.momentum,
        )
        self.position = Position()
        self.kept: dict[int, dict[str, Tensor]] = {}

    def finish_epoch(self, metrics: dict[str, float]) -> None:
        """End the running epoch; keep its weights if they may be selected, drop those that no longer can."""
        self.position.finish_epoch(metrics)
        wanted = contenders(self.position.history, self.training.select, self.training.select_margin)
        if self.position.epoch in wanted:
            self.kept[self.position.epoch] = {
                name: tensor.detach().to("cpu", copy=True) for name, tensor in self._changing().items()
            }
        self.kept = {epoch: self.kept[epoch] for epoch in wanted}

    def select(self) -> int:
        """Give the network the weights of the selected epoch; returns it, counted from 1."""
        epoch = chosen(self.position.history, self.training.select, self.training.select_margin)
        if epoch in self.kept:
            _load(self.network, self.network.state_dict() | self.kept[epoch])
        return epoch

    def checkpoint(self, fraction: float) -> Checkpoint:
        """All of it, to be saved; ``fraction``: how much of the training is done, 0 to 1."""
        momentum = {
            name: self.optimizer.state[parameter]["momentum_buffer"]
            for name, parameter in self.tuned.items()
            if self.optimizer.state.get(parameter, {}).get("momentum_buffer") is not None
        }
        groups = {"network": self.network.state_dict(), "momentum": momentum}
        groups |= {f"{_EPOCH}{epoch}": tensors for epoch, tensors in self.kept.items()}
        tensors = {
            f"{group}/{name}": tensor for group, named in groups.items() for name, tensor in named.items()
        }
        return Checkpoint(tensors, self.position.stored(), fraction)

    def restore(self, saved: Checkpoint) -> None:
        """Go back to what ``checkpoint`` returned.

        Raises:
            ResumeMismatch: it is not of this network, or of this version.
        """
        _load(self.network, _group(saved, "network"))
        for name, value in _group(saved, "momentum").items():
            parameter = self.tuned[name]
            self.optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(value)
        self.position = Position.from_stored(saved.state)
        groups = {name.partition("/")[0] for name in saved.tensors}
        epochs = sorted(int(group.removeprefix(_EPOCH)) for group in groups if group.startswith(_EPOCH))
        self.kept = {epoch: _group(saved, f"{_EPOCH}{epoch}") for epoch in epochs}

    def _changing(self) -> dict[str, Tensor]:
        """The network's tensors that training can change: what is tuned, and all buffers."""
        fixed = dict(self.network.named_parameters()).keys() - self.tuned.keys()
        state = self.network.state_dict()
        return {name: tensor for name, tensor in state.items() if name not in fixed}


def _parameter_groups(
    tuned: Mapping[str, nn.Parameter], undecayed: Set[str], weight_decay: float
) -> list[dict[str, Any]]:
    """What is tuned, apart by whether it decays; at least one group."""
    decaying = {True: weight_decay, False: 0.0}
    groups = [
        {
            "params": [value for name, value in tuned.items() if (name not in undecayed) is decays],
            "weight_decay": decay,
        }
        for decays, decay in decaying.items()
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
