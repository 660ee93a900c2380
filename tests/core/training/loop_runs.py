"""A small training run: its settings, network, data and objective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cartl_core.execution.stage_context import StageContext
from cartl_core.spec import TrainingSpec
from cartl_core.statistics.checkpoint_selection import CLEAN, ROBUST
from cartl_core.training.gradient import Loss, StepContext
from cartl_core.training.loop import TrainingResult, TrainingTask, fit
from tests.fixtures.runs import in_training_mode

Score = tuple[float, float]
"""Clean and robust accuracy on validation images."""


def settings(**changes: Any) -> TrainingSpec:
    base = {"epochs": 3, "batch_size": 4, "lr": 0.1, "lr_schedule": "cosine", "select": "last"}
    return TrainingSpec.model_validate(base | changes)


def small_network() -> nn.Module:
    network = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator) - 0.5)
    return network


def data(count: int = 14) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(count, 3, generator=generator), torch.arange(count) % 2


def noisy(network: nn.Module) -> Callable[[Tensor, Tensor, StepContext], Loss]:
    def objective(inputs: Tensor, labels: Tensor, step: StepContext) -> Loss:
        noise = torch.randn(inputs.shape, generator=step.draw("noise"))
        loss = nn.functional.cross_entropy(network(inputs + 0.1 * noise), labels)
        return Loss(loss, {"twice": 2 * loss.detach()})

    return objective


def train(
    ctx: StageContext,
    training: TrainingSpec,
    network: nn.Module | None = None,
    scores: list[Score] | None = None,
    **changes: Any,
) -> tuple[nn.Module, TrainingResult]:
    network = network or small_network()
    left = list(scores or [])
    fetch_every = changes.pop("fetch_every", None)
    task = TrainingTask(
        network=network,
        tuned=dict(network.named_parameters()),
        objective=changes.pop("objective", noisy(network)),
        begin_epoch=in_training_mode(network),
        validate=lambda: dict(zip((CLEAN, ROBUST), left.pop(0) if left else (0.5, 0.25), strict=True)),
        inputs=lambda: data(),
        **changes,
    )
    return network, fit(task, training, seed=3, ctx=ctx, fetch_every=fetch_every)


def bits(network: nn.Module) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in network.state_dict().items()}
