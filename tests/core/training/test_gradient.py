"""A batch in parts: the same gradient where images do not look at each other; what it is where they do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cartl_core.errors import Interrupted, OutOfMemory
from cartl_core.events import Warned
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.losses import cross_entropy
from cartl_core.spec import AttackSpec, TrainingSpec
from cartl_core.storage.stage_result import read_result
from cartl_core.training import memory
from cartl_core.training import pretrain as stage
from cartl_core.training.gradient import Loss, Objective, StepContext, add_gradient
from cartl_core.training.loop import TrainingTask, fit
from cartl_core.training.pretrain import adversarial, pretrain
from tests.fixtures.runs import in_training_mode

ATTACK = AttackSpec(label="training", eps=0.1, step=0.05, steps=2)
STEP = StepContext(seed=5, epoch=1, step=2)
SETTINGS = TrainingSpec.model_validate(
    {"epochs": 3, "batch_size": 4, "lr": 0.1, "lr_schedule": "cosine", "select": "last"}
)


def network(*, batch_norm: bool) -> nn.Sequential:
    """Two layers in double precision, equal at each call."""
    made = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6) if batch_norm else nn.Identity(), nn.ReLU())
    made.append(nn.Linear(6, 2)).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator) - 0.5)
    return made


def batch(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return torch.rand(count, 3, generator=generator, dtype=torch.float64), torch.arange(count) % 2


def gradient(
    of: nn.Module, objective: Objective, images: Tensor, labels: Tensor, parts: int
) -> tuple[dict[str, Tensor], dict[str, float]]:
    of.zero_grad()
    shown = add_gradient(objective, images, labels, STEP, accumulation_steps=parts, autocast=nullcontext)
    return {
        name: value.grad.clone() for name, value in of.named_parameters() if value.grad is not None
    }, shown.fetch()


def mean_cross_entropy(of: nn.Module) -> Objective:
    def objective(images: Tensor, labels: Tensor, step: StepContext) -> Loss:
        return Loss(cross_entropy(of(images), labels).mean())

    return objective


@pytest.mark.parametrize("count", [4, 7])
@pytest.mark.parametrize("parts", [2, 3, 4])
def test_without_batch_statistics_parts_add_up_to_the_whole(count: int, parts: int) -> None:
    """Attacked images included: each image gets the random start that it has in the whole batch."""
    tuned = network(batch_norm=False)
    objective = adversarial(tuned, ATTACK)
    whole, shown = gradient(tuned, objective, *batch(count), parts=1)
    added, also = gradient(tuned, objective, *batch(count), parts=parts)
    assert set(added) == set(whole) != set()
    for name, value in added.items():
        torch.testing.assert_close(value, whole[name], rtol=1e-12, atol=1e-14)
    assert also == pytest.approx(shown, rel=1e-6)


def test_one_part_is_the_plain_gradient_bit_by_bit() -> None:
    tuned = network(batch_norm=True)
    plain = copy.deepcopy(tuned)
    images, labels = batch(6)
    added, _ = gradient(tuned, adversarial(tuned, ATTACK), images, labels, parts=1)
    adversarial(plain, ATTACK)(images, labels, STEP).total.backward()
    for name, parameter in plain.named_parameters():
        assert torch.equal(added[name], parameter.grad)  # type: ignore[arg-type]


def test_with_batch_norm_each_part_has_statistics_of_its_own() -> None:
    """What differs, written out: the gradient is the mean of the halves', running statistics move twice."""
    tuned = network(batch_norm=True)
    images, labels = batch(6)
    halves = []
    for part in (slice(0, 3), slice(3, 6)):
        alone = network(batch_norm=True)
        nn.functional.cross_entropy(alone(images[part]), labels[part]).backward()
        halves.append([parameter.grad for parameter in alone.parameters()])
    added, _ = gradient(tuned, mean_cross_entropy(tuned), images, labels, parts=2)
    for value, first, second in zip(added.values(), *halves, strict=True):
        assert first is not None and second is not None
        torch.testing.assert_close(value, (first + second) / 2, rtol=1e-12, atol=1e-14)
    undivided = network(batch_norm=True)
    whole, _ = gradient(undivided, mean_cross_entropy(undivided), images, labels, parts=1)
    assert not torch.allclose(added["0.weight"], whole["0.weight"], rtol=1e-3)

    seen = network(batch_norm=True)[0](images)
    means = seen[:3].mean(dim=0), seen[3:].mean(dim=0)
    norm = tuned[1]
    assert isinstance(norm, nn.BatchNorm1d)
    torch.testing.assert_close(norm.running_mean, 0.9 * 0.1 * means[0] + 0.1 * means[1])
    assert int(norm.num_batches_tracked) == 2  # type: ignore[arg-type]


class Device:
    """An objective on a device that holds so many images; from ``full_from`` on, a step counted from 0."""

    def __init__(self, holds: int, full_from: int = 0) -> None:
        self.holds, self.full_from = holds, full_from
        self.seen: list[int] = []

    def objective(self, tuned: nn.Module) -> Objective:
        def objective(images: Tensor, labels: Tensor, step: StepContext) -> Loss:
            self.seen.append(len(images))
            noise = step.uniform("noise", images)
            loss = cross_entropy(tuned(images + 0.1 * noise), labels).mean()
            # After the forward pass, which has moved the batch norm's statistics.
            if 3 * step.epoch + step.step >= self.full_from and len(images) > self.holds:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return Loss(loss)

        return objective


def train(ctx: StageContext, device: Device, *, halvings: int | None = 1, batch_norm: bool = True) -> Any:
    tuned = network(batch_norm=batch_norm)
    task = TrainingTask(
        network=tuned,
        tuned=dict(tuned.named_parameters()),
        objective=device.objective(tuned),
        begin_epoch=in_training_mode(tuned),
        validate=lambda: {"clean_accuracy": 0.5, "robust_accuracy": 0.25},
        inputs=lambda: batch(12),
    )
    return tuned, fit(task, SETTINGS, seed=3, ctx=ctx, halvings=halvings)


def bits(of: nn.Module) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in of.state_dict().items()}


def test_a_batch_that_does_not_fit_is_halved_from_then_on(workspace: Any) -> None:
    home, device = workspace("a"), Device(holds=2, full_from=4)
    _, fitted = train(home.context(), device)
    assert device.seen == [4] * 4 + [4, 2, 2] + [2, 2] * 4
    assert fitted.accumulation_steps == 2
    assert [event.message for event in home.events if isinstance(event, Warned)] == [
        "test stage: a batch of 4 did not fit into memory in epoch 2, step 2; from there on the gradient of "
        "each batch is added up over 2 parts of it."
    ]


def test_without_batch_statistics_the_weights_are_those_of_a_larger_device(workspace: Any) -> None:
    small, _ = train(workspace("small").context(), Device(holds=2, full_from=4), batch_norm=False)
    large, fitted = train(workspace("large").context(), Device(holds=4), batch_norm=False)
    assert fitted.accumulation_steps == 1
    for name, value in small.state_dict().items():
        torch.testing.assert_close(value, large.state_dict()[name], rtol=1e-10, atol=1e-12)


def test_what_a_failed_try_has_moved_is_put_back(workspace: Any) -> None:
    """The same training, in halves from the start by its own choice, has the same batch statistics."""
    halved, _ = train(workspace("halved").context(), Device(holds=2))
    tuned = network(batch_norm=True)
    objective = Device(holds=2).objective(tuned)

    def in_halves(images: Tensor, labels: Tensor, step: StepContext) -> Loss:
        parts = zip(images.split(2), labels.split(2), (0, 2), strict=True)
        losses = [objective(x, y, replace(step, first=first, batch=4)).total for x, y, first in parts]
        return Loss((losses[0] + losses[1]) / 2)

    task = TrainingTask(
        network=tuned,
        tuned=dict(tuned.named_parameters()),
        objective=in_halves,
        begin_epoch=in_training_mode(tuned),
        validate=lambda: {"clean_accuracy": 0.5},
        inputs=lambda: batch(12),
    )
    fit(task, SETTINGS, seed=3, ctx=workspace("own").context())
    for name, value in tuned.state_dict().items():
        torch.testing.assert_close(value, halved.state_dict()[name], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("stops", [[5], [6], [8], [1, 4, 1], [5, 1, 1, 1]])
def test_a_resumed_run_goes_on_in_halves_with_the_same_bits(workspace: Any, stops: list[int]) -> None:
    """Even on a device that would hold the whole batch by now."""
    whole, fitted = train(workspace("whole").context(), Device(holds=2, full_from=4))
    pieces, steps = workspace("pieces"), 0
    for stop in stops:
        device = Device(holds=2, full_from=4) if steps <= 4 else Device(holds=4)
        with pytest.raises(Interrupted):
            train(pieces.context(stop_after=stop), device)
        steps += stop
    device = Device(holds=4)
    resumed, again = train(pieces.context(), device)
    assert set(device.seen) == {2}
    assert bits(resumed) == bits(whole)
    assert again == fitted


def test_a_run_killed_right_after_halving_goes_on_in_halves(workspace: Any) -> None:
    class Killed(BaseException):
        pass

    def die(event: object) -> None:
        if isinstance(event, Warned):
            raise Killed

    whole, _ = train(workspace("whole").context(), Device(holds=2, full_from=4))
    pieces = workspace("pieces")
    with pytest.raises(Killed):
        train(replace(pieces.context(), report=die), Device(holds=2, full_from=4))
    resumed, _ = train(pieces.context(), Device(holds=4))
    assert bits(resumed) == bits(whole)


def test_there_is_one_retry(workspace: Any) -> None:
    device = Device(holds=1)
    with pytest.raises(OutOfMemory, match="batches of 4, each in 2 parts") as raised:
        train(workspace("a").context(), device)
    assert device.seen == [4, 2]
    assert raised.value.values["batch_size"] == 4
    resumed = Device(holds=1)
    with pytest.raises(OutOfMemory, match="each in 2 parts"):
        train(workspace("a").context(), resumed)
    assert resumed.seen == [2]


def test_a_batch_too_small_to_be_halved_fails_at_once(
    workspace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "SMALLEST_PIECE", 3)
    device = Device(holds=2)
    with pytest.raises(OutOfMemory, match="batches of 4;"):
        train(workspace("a").context(), device)
    assert device.seen == [4]


@pytest.mark.parametrize(("name", "seen"), [("cpu", [4]), ("cuda", [4, 2])])
def test_only_cuda_tries_again(
    workspace: Any, monkeypatch: pytest.MonkeyPatch, name: str, seen: list[int]
) -> None:
    """The device's name decides; the tensors of this test stay on the CPU."""
    monkeypatch.setattr(StageContext, "device", torch.device("cpu"))
    ctx = workspace("a").context()
    device = Device(holds=1)
    with pytest.raises(OutOfMemory):
        train(replace(ctx, runtime=ctx.runtime.model_copy(update={"device": name})), device, halvings=None)
    assert device.seen == seen


def test_a_stage_tells_that_its_batches_were_cut(
    workspace: Any, arm: Any, task: Callable[..., Any], tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def perturb(network: nn.Module, images: Tensor, labels: Tensor, **attack: Any) -> Tensor:
        if len(images) > 8:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return images

    monkeypatch.setattr(stage, "perturb", perturb)
    monkeypatch.setitem(memory.HALVINGS, "cpu", 1)
    home = workspace("a")
    pretrain(arm("vanilla", pretrain={"epochs": 1}).pretrain, 0, tiny, task(), seed=1, ctx=home.context())
    assert read_result(home.directory)["parts"] == 2
    assert [event.message for event in home.events if isinstance(event, Warned)]
