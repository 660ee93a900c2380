"""Metrics that are read several steps at once: the same bits, the same faults, and no step waits for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cartl_core.errors import Interrupted, LossNotFinite
from cartl_core.execution.checkpoint import read
from cartl_core.execution.stage_context import StageContext
from cartl_core.spec import AttackSpec
from cartl_core.storage.checkpoint_files import in_order
from cartl_core.training.gradient import Loss, StepContext
from cartl_core.training.loop import TrainingTask, fit
from cartl_core.training.pretrain import adversarial
from cartl_core.training.step_metrics import StepMetrics, fetched
from tests.core.training.loop_runs import bits, settings, small_network, train
from tests.fixtures.runs import in_training_mode

STEPS_AN_EPOCH = 3


def test_pieces_are_weighted_and_steps_are_read_in_order() -> None:
    halves = StepMetrics(
        ("loss", "twice"), (torch.tensor([1.0, 2.0]), torch.tensor([4.0, 8.0])), (0.75, 0.25)
    )
    whole = StepMetrics(("loss",), (torch.tensor([3.0]),), (1.0,))
    assert fetched([halves, whole]) == [{"loss": 1.75, "twice": 3.5}, {"loss": 3.0}]
    assert halves.fetch() == {"loss": 1.75, "twice": 3.5}
    assert fetched([]) == []


@pytest.mark.parametrize("every", [2, 3, 100])
def test_weights_and_histories_have_the_same_bits(workspace: Any, every: int) -> None:
    each, fitted = train(workspace("each").context(), settings(), fetch_every=1)
    several, also = train(workspace("several").context(), settings(), fetch_every=every)
    assert bits(several) == bits(each)
    assert also == fitted and len(fitted.history) == 3


@pytest.mark.parametrize("stop", [1, 2, 4, 8])
def test_a_checkpoint_between_two_readings_holds_every_step(workspace: Any, stop: int) -> None:
    whole, fitted = train(workspace("whole").context(), settings(), fetch_every=1)
    pieces = workspace("pieces")
    with pytest.raises(Interrupted):
        train(pieces.context(stop_after=stop), settings(), fetch_every=100)
    position = read(in_order(pieces.directory)[-1]).state
    assert position["seen"] == 4 * (stop % STEPS_AN_EPOCH) == 4 * position["step"]
    resumed, again = train(pieces.context(), settings(), fetch_every=2)
    assert bits(resumed) == bits(whole)
    assert again == fitted


def spoilt_at(network: nn.Module, count: int) -> Callable[[Tensor, Tensor, StepContext], Loss]:
    def objective(inputs: Tensor, labels: Tensor, step: StepContext) -> Loss:
        return Loss(network(inputs).mean() * (float("nan") if step.count == count else 1.0))

    return objective


@pytest.mark.parametrize("stop_after", [None, 5])
def test_a_faulty_step_is_named_and_never_saved(workspace: Any, stop_after: int | None) -> None:
    """The second step of the second epoch, read at the end of it, or when a checkpoint is asked for."""
    network, place = small_network(), workspace("a")
    with pytest.raises(LossNotFinite, match="epoch 2 of 3, step 2"):
        train(
            place.context(stop_after=stop_after),
            settings(),
            network,
            objective=spoilt_at(network, 4),
            fetch_every=100,
        )
    assert not all(value.isfinite().all() for value in network.parameters())
    saved = read(in_order(place.directory)[-1])
    assert (saved.state["epoch"], saved.state["step"]) == (1, 0)
    assert all(tensor.isfinite().all() for tensor in saved.tensors.values())


def on_no_device(ctx: StageContext) -> StageContext:
    """A device whose numbers cannot be read: tensors have shapes alone."""
    runtime = ctx.runtime.model_copy(update={"device": "meta"})
    return replace(ctx, runtime=runtime)


@pytest.mark.parametrize(("every", "steps"), [(100, STEPS_AN_EPOCH), (2, 2), (1, 1)])
def test_no_number_is_read_in_a_step(workspace: Any, every: int, steps: int) -> None:
    """Steps of adversarial training run on a device that has no numbers, until metrics are fetched."""
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 2))
    network.to("meta")
    attacked = adversarial(network, AttackSpec(label="training", eps=0.1, step=0.05, steps=2))
    taken = []

    def objective(inputs: Tensor, labels: Tensor, step: StepContext) -> Loss:
        taken.append(step.step)
        return attacked(inputs, labels, step)

    task = TrainingTask(
        network=network,
        tuned=dict(network.named_parameters()),
        objective=objective,
        begin_epoch=in_training_mode(network),
        validate=dict,
        inputs=lambda: (torch.rand(12, 1, 8, 8), torch.arange(12) % 2),
    )
    ctx = on_no_device(workspace("a").context())
    with pytest.raises(NotImplementedError, match="meta tensor"):
        fit(task, settings(), seed=0, ctx=ctx, halvings=0, fetch_every=every)
    assert taken == list(range(steps))
