"""Steps of robust training beside a plain loop, in the same process and from the same weights.

Ours is ``fit`` as a stage calls it, with its data, order, noise, checks of the loss and optimiser.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.ratios.contest import Contest, Row
from benchmarks.ratios.plain_loop import Recipe, train
from cartl_core.data import ImageSet
from cartl_core.execution.checkpoint import NoCheckpoints
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.build import build_network
from cartl_core.nn.network import Network
from cartl_core.nn.rng import generator
from cartl_core.planning.stage_digests import StageKey
from cartl_core.run.runtime import of_machine
from cartl_core.spec import ModelSpec, PretrainSpec
from cartl_core.storage.stop_flag import StopFlag
from cartl_core.training.loop import TrainingTask, fit
from cartl_core.training.pretrain import adversarial, feature_distance_minimising

CLASSES, STEPS, EPS = 10, 2, 8 / 255
FDM_WEIGHT = 0.005
LAYOUTS = {
    "a plain loop": torch.contiguous_format,
    "a plain loop in channels_last": torch.channels_last,
}


@dataclass(frozen=True)
class Case:
    """A network, its images and the attack of its training."""

    network: str
    image_size: int
    channels: int
    stem_stride: int
    attack_steps: int
    batch: int

    @property
    def model(self) -> ModelSpec:
        """As a specification has it."""
        size = {"image_size": self.image_size, "channels": self.channels, "stem_stride": self.stem_stride}
        return ModelSpec.model_validate({"name": self.network, **size})

    @property
    def facts(self) -> dict[str, Any]:
        """For the file of results."""
        return {**vars(self), "steps": STEPS}


CASES = {
    "WRN-16-2, 28 x 28, stem stride 4, PGD-4, batch 128": Case("wrn-16-2", 28, 1, 4, 4, 128),
    "WRN-16-2, 32 x 32, PGD-7, batch 64": Case("wrn-16-2", 32, 3, 1, 7, 64),
    "ResNet-18, 32 x 32, PGD-7, batch 32": Case("resnet18", 32, 3, 1, 7, 32),
}


@dataclass(frozen=True)
class Training:
    """A case with its images and what is minimised: both contestants start from ``network()``."""

    case: Case
    fdm: bool
    images: Tensor
    labels: Tensor

    @classmethod
    def of(cls, case: Case, *, fdm: bool) -> Training:
        """Random images: what a step costs does not hang on what they show."""
        shape = (STEPS * case.batch, case.channels, case.image_size, case.image_size)
        images = torch.rand(shape, generator=generator(0, "images"))
        return cls(case, fdm, images, torch.arange(len(images)) % CLASSES)

    def network(self) -> Network:
        """Freshly initialised, always alike."""
        shade = (0.5,) * self.case.channels
        return build_network(self.case.model, CLASSES, shade, shade, generator(0, "network"))

    def ours(self) -> Network:
        """``STEPS`` steps by the library; the network that it trained."""
        network, ctx = self.network(), context()
        ctx.install(network)
        objective = adversarial(network, self.spec.attack, self.spec.radii)
        if self.fdm:
            objective = feature_distance_minimising(network, _depth(network), self.spec)
        task = TrainingTask(
            network=network,
            tuned=dict(network.named_parameters()),
            objective=objective,
            begin_epoch=lambda epoch: _train_all(network),
            validate=dict,
            inputs=lambda: (ImageSet.of(self.images), self.labels),
        )
        fit(task, self.spec, seed=0, ctx=ctx)
        return network

    def plain(self, memory: Any) -> Network:
        """The same by the plain loop."""
        network = self.network()
        network.to(memory_format=memory)  # type: ignore[call-overload]
        lower, upper = network.split(_depth(network))
        images = self.images.to(memory_format=memory)
        batches = list(zip(images.split(self.case.batch), self.labels.split(self.case.batch), strict=True))
        train(lower, upper, batches, self.recipe)
        return network

    @property
    def recipe(self) -> Recipe:
        """What both do."""
        weight = FDM_WEIGHT if self.fdm else None
        return Recipe(eps=EPS, step=EPS / 4, steps=self.case.attack_steps, fdm_weight=weight)

    @property
    def spec(self) -> PretrainSpec:
        """The same for the library."""
        recipe = self.recipe
        attack = {"label": "training", "eps": recipe.eps, "step": recipe.step, "steps": recipe.steps}
        return PretrainSpec.model_validate(
            {
                "objective": "fdm" if self.fdm else "at",
                "attack": attack,
                "fdm_weight": recipe.fdm_weight,
                "epochs": 1,
                "batch_size": self.case.batch,
                "lr": recipe.lr,
                "lr_schedule": "constant",
                "momentum": recipe.momentum,
                "weight_decay": recipe.weight_decay,
                "select": "last",
            }
        )


def context() -> StageContext:
    """What a stage is given, without checkpoints."""
    return StageContext(
        key=StageKey("pretrain", "benchmark", "0" * 64),
        directory=Path(),
        checkpoints=NoCheckpoints(),
        runtime=of_machine("cpu", "fp32", torch.get_num_threads()),
        report=lambda event: None,
        stop=StopFlag(),
    )


def contest(case: Case, *, fdm: bool) -> Contest:
    """Ours beside the plain loop in both layouts."""
    training = Training.of(case, fdm=fdm)
    rivals = {name: partial(training.plain, memory) for name, memory in LAYOUTS.items()}
    return Contest(training.ours, rivals, case.facts)


def _train_all(network: Network) -> None:
    network.train()


def _depth(network: Network) -> int:
    """Where features are compared: half way."""
    return network.block_count // 2


def _row(name: str, what: str, *, fdm: bool) -> Row:
    cells = {cell: partial(contest, case, fdm=fdm) for cell, case in CASES.items()}
    return Row(name, what, "a plain loop", 2.0, cells)


ROWS = (_row("fdm-step", "FDM step, fp32", fdm=True), _row("at-step", "AT step, fp32", fdm=False))
