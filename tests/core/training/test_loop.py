"""The loop: what it does in each step, when it saves, and that stopping changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cartl_core.data import ImageSet, Split
from cartl_core.errors import Cancelled, Interrupted, LossNotFinite, OutOfMemory, WeightsNotFinite
from cartl_core.events import EpochFinished
from cartl_core.training.gradient import Loss, StepContext
from cartl_core.training.loop import TrainingTask, fit
from cartl_core.training.validation import clean_accuracy
from tests.core.training.loop_runs import bits, data, settings, small_network, train
from tests.fixtures.runs import in_training_mode


def test_one_step_is_sgd_with_momentum_and_weight_decay(workspace: Any) -> None:
    """Two steps of a one-number model against the update written out."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 2.0)
    task = TrainingTask(
        network=network,
        tuned=dict(network.named_parameters()),
        objective=lambda x, labels, step: Loss(network(x).mean()),
        begin_epoch=lambda epoch: None,
        validate=dict,
        inputs=lambda: (torch.ones(2, 1), torch.zeros(2, dtype=torch.int64)),
    )
    training = settings(
        epochs=2, batch_size=2, lr_schedule="constant", lr=0.1, momentum=0.5, weight_decay=0.01
    )
    fit(task, training, seed=0, ctx=workspace("a").context())
    first = 1 + 0.01 * 2.0
    after_one = 2.0 - 0.1 * first
    second = 0.5 * first + (1 + 0.01 * after_one)
    assert network.weight.item() == pytest.approx(after_one - 0.1 * second, rel=1e-6)


def test_the_best_epoch_by_validation_is_what_remains(workspace: Any) -> None:
    after_one, _ = train(workspace("one").context(), settings(lr_schedule="constant", epochs=1))
    best, fitted = train(
        workspace("three").context(),
        settings(lr_schedule="constant", select="best_clean"),
        scores=[(0.9, 0.1), (0.9, 0.2), (0.1, 0.3)],
    )
    assert fitted.selected_epoch == 1
    assert bits(best) == bits(after_one)


def test_the_epoch_on_the_front_is_what_remains(workspace: Any) -> None:
    """The most robust of those near the best clean accuracy, though the best came last."""
    training = settings(lr_schedule="constant", epochs=4, select="pareto", select_margin=0.05)
    after_two, _ = train(workspace("two").context(), settings(lr_schedule="constant", epochs=2))
    found, fitted = train(
        workspace("four").context(), training, scores=[(0.80, 0.9), (0.86, 0.6), (0.88, 0.5), (0.90, 0.4)]
    )
    assert fitted.selected_epoch == 2
    assert bits(found) == bits(after_two)


def test_epochs_are_reported_with_their_means_and_rate(workspace: Any) -> None:
    ctx = workspace("a")
    train(ctx.context(), settings(lr_schedule="constant"))
    epochs = [event for event in ctx.events if isinstance(event, EpochFinished)]
    assert [event.epoch for event in epochs] == [1, 2, 3]
    assert all(event.metrics["twice"] == pytest.approx(2 * event.metrics["loss"]) for event in epochs)
    assert epochs[0].metrics["learning_rate"] == 0.1
    assert epochs[0].metrics["robust_accuracy"] == 0.25


def test_cancelled_is_not_interrupted(workspace: Any) -> None:
    ctx = workspace("a").context()
    ctx.stop.request("interrupted")
    ctx.stop.request("cancelled")
    with pytest.raises(Cancelled):
        train(ctx, settings())


@pytest.mark.parametrize("count", [3, 4, 5, 9])
def test_no_batch_is_ever_smaller_than_the_others(workspace: Any, count: int) -> None:
    seen: list[int] = []
    network = small_network()

    def objective(inputs: Tensor, labels: Tensor, step: StepContext) -> Loss:
        seen.append(len(inputs))
        return Loss(network(inputs).mean())

    task = TrainingTask(
        network=network,
        tuned=dict(network.named_parameters()),
        objective=objective,
        begin_epoch=in_training_mode(network),
        validate=dict,
        inputs=lambda: data(count),
    )
    fit(task, settings(epochs=1), seed=0, ctx=workspace("a").context())
    assert seen == [min(4, count)] * max(1, count // 4)


def test_a_loss_that_is_no_number_names_the_epoch(workspace: Any) -> None:
    network = small_network()

    def objective(inputs: Tensor, labels: Tensor, step: StepContext) -> Loss:
        factor = float("nan") if step.epoch == 1 else 1.0
        return Loss(network(inputs).mean() * factor)

    with pytest.raises(LossNotFinite, match="epoch 2 of 3") as raised:
        train(workspace("a").context(), settings(), network, objective=objective)
    assert raised.value.values["epoch"] == 2


def test_another_figure_of_the_objective_that_is_no_number_is_named(workspace: Any) -> None:
    network = small_network()

    def objective(inputs: Tensor, labels: Tensor, step: StepContext) -> Loss:
        return Loss(network(inputs).mean(), {"feature_distance": torch.tensor(float("inf"))})

    with pytest.raises(LossNotFinite, match=r"the feature distance of .* is inf in epoch 1"):
        train(workspace("a").context(), settings(), network, objective=objective)


def test_a_last_step_that_spoils_the_weights_is_no_result(workspace: Any) -> None:
    """Every loss is finite; the gradient of the ninth and last step is not a number."""
    network = small_network()

    def objective(inputs: Tensor, labels: Tensor, step: StepContext) -> Loss:
        loss = network(inputs).mean()
        steep = (loss - loss.detach()).abs().sqrt()
        return Loss(loss + steep if step.count == 8 else loss)

    with pytest.raises(WeightsNotFinite, match=r"the tensor 0\.weight") as raised:
        train(workspace("a").context(), settings(), network, objective=objective)
    assert raised.value.reason == "weights_not_finite"


@pytest.mark.parametrize(
    "fault",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: 9"),
        MemoryError(),
    ],
)
def test_out_of_memory_names_the_batch_size(workspace: Any, fault: Exception) -> None:
    def objective(inputs: Tensor, labels: Tensor, step: StepContext) -> Loss:
        raise fault

    with pytest.raises(OutOfMemory, match="batches of 4") as raised:
        train(workspace("a").context(), settings(), objective=objective)
    assert raised.value.values["batch_size"] == 4


def test_the_prologue_runs_once(workspace: Any) -> None:
    calls: list[str] = []
    pieces = workspace("a")
    with pytest.raises(Interrupted):
        train(pieces.context(stop_after=2), settings(), prologue=lambda: calls.append("first"))
    train(pieces.context(), settings(), prologue=lambda: calls.append("second"))
    assert calls == ["first"]


def test_logits_that_are_not_finite_count_as_wrong_in_validation(workspace: Any) -> None:
    """The place of their largest is 0, the label of every image here."""

    class Spoiled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.full((len(x), 3), float("nan"))

    labels = torch.zeros(4, dtype=torch.int64)
    split = Split(ImageSet.of(torch.rand(4, 1, 2, 2)), labels, torch.arange(4), (b"a", b"b", b"c", b"d"))
    assert clean_accuracy(Spoiled(), split, workspace("a").context()) == 0
