"""The loop: what it does in each step, when it saves, and that stopping changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cartl_core.data import Split
from cartl_core.errors import (
    Cancelled,
    Interrupted,
    LossNotFinite,
    OutOfMemory,
    ResumeMismatch,
    WeightsNotFinite,
)
from cartl_core.events import EpochFinished
from cartl_core.execution.checkpoint import read, write
from cartl_core.execution.stage_context import StageContext
from cartl_core.spec import TrainingSpec
from cartl_core.statistics.checkpoint_selection import CLEAN, ROBUST
from cartl_core.storage.checkpoint_files import in_order
from cartl_core.training.gradient import Loss, StepContext
from cartl_core.training.loop import TrainingResult, TrainingTask, fit
from cartl_core.training.validation import clean_accuracy
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
    task = TrainingTask(
        network=network,
        tuned=dict(network.named_parameters()),
        objective=changes.pop("objective", noisy(network)),
        begin_epoch=in_training_mode(network),
        validate=lambda: dict(zip((CLEAN, ROBUST), left.pop(0) if left else (0.5, 0.25), strict=True)),
        inputs=lambda: data(),
        **changes,
    )
    return network, fit(task, training, seed=3, ctx=ctx)


def bits(network: nn.Module) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in network.state_dict().items()}


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


@pytest.mark.parametrize("stops", [[1], [3], [4], [6], [8], [1, 1, 1], [2, 3, 2]])
@pytest.mark.parametrize(("select", "kept"), [("last", 3), ("best_clean", 2), ("pareto", 1)])
def test_a_resumed_run_has_the_same_bits(workspace: Any, stops: list[int], select: str, kept: int) -> None:
    """In the run of ``pareto`` the first epoch and the second contend to the end."""
    training = settings(select=select, select_margin=0.1)
    scores: list[Score] = [(0.8, 0.5), (0.9, 0.4), (0.85, 0.3)]
    whole, fitted = train(workspace("whole").context(), training, scores=scores)
    pieces = workspace("pieces")
    for stop in stops:
        done = sum(isinstance(event, EpochFinished) for event in pieces.events)
        with pytest.raises(Interrupted):
            train(pieces.context(stop_after=stop), training, scores=scores[done:])
    done = sum(isinstance(event, EpochFinished) for event in pieces.events)
    resumed, again = train(pieces.context(), training, scores=scores[done:])
    assert bits(resumed) == bits(whole)
    assert again == fitted
    assert fitted.selected_epoch == kept


def test_a_run_stopped_while_it_validates_goes_on_with_the_same_bits(workspace: Any) -> None:
    whole, fitted = train(workspace("whole").context(), settings())
    pieces = workspace("pieces")
    ctx = pieces.context()

    def stopped() -> dict[str, float]:
        ctx.stop.request("interrupted")
        ctx.stop.check()
        raise AssertionError

    network = small_network()
    task = TrainingTask(
        network=network,
        tuned=dict(network.named_parameters()),
        objective=noisy(network),
        begin_epoch=in_training_mode(network),
        validate=stopped,
        inputs=lambda: data(),
    )
    with pytest.raises(Interrupted):
        fit(task, settings(), seed=3, ctx=ctx)
    resumed, again = train(pieces.context(), settings())
    assert bits(resumed) == bits(whole)
    assert again == fitted


def test_a_truncated_checkpoint_falls_back_and_ends_in_the_same_bits(workspace: Any) -> None:
    whole, _ = train(workspace("whole").context(), settings())
    pieces = workspace("pieces")
    with pytest.raises(Interrupted):
        train(pieces.context(stop_after=5), settings())
    newest = in_order(pieces.directory)[-1]
    newest.write_bytes(newest.read_bytes()[:-40])
    resumed, _ = train(pieces.context(), settings())
    assert bits(resumed) == bits(whole)


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


def test_a_checkpoint_keeps_only_what_moves_of_epochs_that_contend(workspace: Any) -> None:
    pieces, network = workspace("a"), small_network()
    head = {name: value for name, value in network.named_parameters() if name.startswith("3.")}
    scores: list[Score] = [(0.5, 0.9), (0.8, 0.5), (0.85, 0.4)]
    ctx = pieces.context()
    task = TrainingTask(
        network=network,
        tuned=head,
        objective=noisy(network),
        begin_epoch=in_training_mode(network),
        validate=lambda: dict(zip((CLEAN, ROBUST), scores.pop(0), strict=True)),
        inputs=lambda: data(),
    )
    fit(task, settings(select="pareto", select_margin=0.1), seed=3, ctx=ctx)
    saved = pieces.context().saved
    kept = {name for name in saved.tensors if name.startswith("epoch-")}
    moving = {*head, *dict(network.named_buffers())}
    assert kept == {f"epoch-{epoch}/{name}" for epoch in (2, 3) for name in moving}


def test_checkpoints_at_epoch_ends_and_by_the_clock(workspace: Any) -> None:
    at_ends = workspace("ends")
    train(at_ends.context(), settings())
    assert at_ends.saved_at == pytest.approx([1 / 3, 2 / 3, 1])
    always = workspace("always")
    train(always.context(every_seconds=0.0), settings())
    assert len(always.saved_at) == 3 * 3 + 3


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


def test_a_checkpoint_of_another_network_is_refused(workspace: Any) -> None:
    pieces = workspace("a")
    with pytest.raises(Interrupted):
        train(pieces.context(stop_after=2), settings())
    with pytest.raises(ResumeMismatch):
        train(pieces.context(), settings(), nn.Sequential(nn.Linear(3, 2)))


def test_a_checkpoint_of_another_version_is_refused(workspace: Any) -> None:
    pieces = workspace("a")
    with pytest.raises(Interrupted):
        train(pieces.context(stop_after=2), settings())
    newest = in_order(pieces.directory)[-1]
    saved = read(newest)
    write(newest, replace(saved, state={**saved.state, "best_score": 0.5}))
    with pytest.raises(ResumeMismatch, match="best_score"):
        train(pieces.context(), settings())


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
    split = Split(torch.rand(4, 1, 2, 2), labels, torch.arange(4), (b"a", b"b", b"c", b"d"))
    assert clean_accuracy(Spoiled(), split, workspace("a").context()) == 0
