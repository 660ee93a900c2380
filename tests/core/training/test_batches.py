"""Batches that are drawn ahead or copied as bytes: the same bits, the same faults, and no thread is left."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cartl_core.data import ImageSet
from cartl_core.data.network_input import NetworkInput
from cartl_core.errors import DatasetInvalid, Interrupted
from cartl_core.spec import AttackSpec, ModelSpec
from cartl_core.training import batches
from cartl_core.training.batches import Feeding, drawn_ahead
from cartl_core.training.gradient import Loss, Noise, Objective, StepContext
from cartl_core.training.loop import TrainingResult, TrainingTask, fit
from cartl_core.training.pretrain import START, adversarial, noise_of
from tests.core.training.loop_runs import bits, settings
from tests.core.training.test_step_metrics import on_no_device
from tests.fixtures.runs import in_training_mode

IN_THE_STEP = Feeding()
OTHERS = {
    "bytes": Feeding(as_bytes=True),
    "ahead": Feeding(ahead=2),
    "both, as on a GPU": batches.FEEDING["cuda"],
    "further ahead than an epoch": Feeding(as_bytes=True, ahead=9),
}
ATTACK = AttackSpec(label="training", eps=0.1, step=0.05, steps=2)
GAUSSIAN = Noise("normal", "noise")


def byte_images(count: int = 14, size: int = 8) -> ImageSet:
    """Grey bytes that the network sees in three channels."""
    pixels = np.random.default_rng(4).integers(0, 256, (count, size, size, 1), dtype=np.uint8)
    model = ModelSpec(name="tiny", image_size=size, channels=3)
    return ImageSet(NetworkInput(pixels, 255, model), torch.arange(count))


def small_network() -> nn.Module:
    torch.manual_seed(1)
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    return nn.Sequential(*layers)


def attacked_in_noise(network: nn.Module) -> Objective:
    attack = adversarial(network, ATTACK)

    def objective(images: Tensor, labels: Tensor, step: StepContext) -> Loss:
        return attack(images + 0.01 * step.normal("noise", images), labels, step)

    return objective


def train(
    ctx: Any,
    feeding: Feeding,
    *,
    augmentation: str = "none",
    images: Any = None,
    watch: Callable[[Tensor], None] = lambda images: None,
) -> tuple[nn.Module, TrainingResult]:
    network = small_network()
    inner = attacked_in_noise(network)

    def objective(batch: Tensor, labels: Tensor, step: StepContext) -> Loss:
        watch(batch)
        return inner(batch, labels, step)

    task = TrainingTask(
        network=network,
        tuned=dict(network.named_parameters()),
        objective=objective,
        begin_epoch=in_training_mode(network),
        validate=dict,
        inputs=lambda: (byte_images() if images is None else images, torch.arange(14) % 2),
        noise=(*noise_of(ATTACK), GAUSSIAN),
    )
    return network, fit(task, settings(augmentation=augmentation), seed=3, ctx=ctx, feeding=feeding)


def threads_that_draw() -> int:
    return sum(thread.name.startswith("batches") for thread in threading.enumerate())


@pytest.mark.parametrize("augmentation", ["none", "crop_flip", "crop_flip_rotate"])
def test_weights_and_histories_have_the_same_bits(workspace: Any, augmentation: str) -> None:
    """And batches lie in memory alike, since convolutions add up in the order of the layout."""
    layouts: dict[str, list[tuple[int, ...]]] = {}

    def trained(name: str, feeding: Feeding) -> tuple[dict[str, bytes], TrainingResult]:
        seen = layouts[name] = []
        network, fitted = train(
            workspace(name).context(),
            feeding,
            augmentation=augmentation,
            watch=lambda images: seen.append(images.stride()),
        )
        return bits(network), fitted

    wanted = trained("wanted", IN_THE_STEP)
    for name, feeding in OTHERS.items():
        assert trained(name, feeding) == wanted, name
        assert layouts[name] == layouts["wanted"] and len(layouts[name]) == 9
    assert threads_that_draw() == 0


@pytest.mark.parametrize("stop", [1, 2, 4, 8])
def test_what_was_drawn_ahead_of_a_stop_is_drawn_again(workspace: Any, stop: int) -> None:
    whole, fitted = train(workspace("whole").context(), IN_THE_STEP, augmentation="crop_flip")
    pieces, feeding = workspace("pieces"), OTHERS["both, as on a GPU"]
    with pytest.raises(Interrupted):
        train(pieces.context(stop_after=stop), feeding, augmentation="crop_flip")
    assert threads_that_draw() == 0
    resumed, again = train(pieces.context(), feeding, augmentation="crop_flip")
    assert bits(resumed) == bits(whole)
    assert again == fitted


def test_images_go_to_the_device_as_bytes(workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one channel, where the network sees three: a twelfth of the floats."""
    copied: list[Tensor] = []

    def to_device(values: Tensor, device: torch.device) -> Tensor:
        copied.append(values)
        return values.to(device)

    monkeypatch.setattr(batches, "to_device", to_device)
    train(workspace("a").context(), Feeding(as_bytes=True))
    images, labels = copied[::2], copied[1::2]
    assert {(one.dtype, *one.shape) for one in images} == {(torch.uint8, 4, 1, 8, 8)}
    assert {(one.dtype, *one.shape) for one in labels} == {(torch.int64, 4)}


def test_no_number_is_read_on_the_way_to_the_device(workspace: Any) -> None:
    """Bytes become floats, and steps run, on a device that has no numbers."""
    network = small_network().to("meta")
    attacked, shapes = adversarial(network, ATTACK), list[tuple[torch.device, torch.dtype, torch.Size]]()

    def objective(images: Tensor, labels: Tensor, step: StepContext) -> Loss:
        shapes.append((images.device, images.dtype, images.shape))
        return attacked(images, labels, step)

    task = TrainingTask(
        network=network,
        tuned=dict(network.named_parameters()),
        objective=objective,
        begin_epoch=in_training_mode(network),
        validate=dict,
        inputs=lambda: (byte_images(), torch.arange(14) % 2),
        noise=noise_of(ATTACK),
    )
    feeding = Feeding(as_bytes=True, ahead=2)
    with pytest.raises(NotImplementedError, match="meta tensor"):
        ctx = on_no_device(workspace("a").context())
        fit(task, settings(), seed=0, ctx=ctx, halvings=0, fetch_every=100, feeding=feeding)
    assert shapes == [(torch.device("meta"), torch.float32, torch.Size((4, 3, 8, 8)))] * 3
    assert threads_that_draw() == 0


def test_noise_is_drawn_before_its_step_begins(workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the thread alone; an objective that asks for what was not named draws it itself."""
    by: list[tuple[str, bool]] = []
    drawn = StepContext.noise

    def noise(step: StepContext, kind: Noise, shape: Any) -> Tensor:
        by.append((kind.purpose, threading.current_thread() is threading.main_thread()))
        return drawn(step, kind, shape)

    monkeypatch.setattr(StepContext, "noise", noise)
    train(workspace("ahead").context(), Feeding(ahead=1))
    assert sorted(by) == sorted([(START.purpose, False), (GAUSSIAN.purpose, False)] * 9)
    by.clear()
    train(workspace("in the step").context(), IN_THE_STEP)
    assert sorted(by) == sorted([(START.purpose, True), (GAUSSIAN.purpose, True)] * 9)


def test_a_fault_of_the_data_is_told_at_its_step_and_ends_the_thread(workspace: Any) -> None:
    class Damaged:
        def __len__(self) -> int:
            return 14

        def __getitem__(self, positions: Tensor) -> Tensor:
            asked.append(len(positions))
            if len(asked) == 3:
                raise DatasetInvalid("image 9 cannot be read")
            return torch.zeros(len(positions), 3, 8, 8)

    asked: list[int] = []
    steps: list[Tensor] = []
    with pytest.raises(DatasetInvalid, match="image 9"):
        train(workspace("a").context(), Feeding(ahead=2), images=Damaged(), watch=steps.append)
    assert len(steps) == 2
    assert threads_that_draw() == 0


@pytest.mark.parametrize("ahead", [0, 1, 3, 20])
def test_all_come_in_order_and_none_is_made_much_too_early(ahead: int) -> None:
    made: list[int] = []

    def make(number: int) -> int:
        made.append(number)
        return number * number

    for asked, square in enumerate(drawn_ahead(make, range(4, 11), ahead), start=1):
        assert square == (asked + 3) ** 2
        assert len(made) <= asked + ahead
    assert made == list(range(4, 11))
