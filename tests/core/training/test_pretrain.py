"""The teacher's stage against computations written out by hand."""

from __future__ import annotations

import copy
import math
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from cartl_core.attacks import perturb
from cartl_core.errors import Interrupted
from cartl_core.events import EpochFinished
from cartl_core.nn.build import build_network
from cartl_core.nn.files import load_network
from cartl_core.nn.losses import PENALTIES
from cartl_core.nn.network import Network
from cartl_core.nn.rng import generator
from cartl_core.spec import AttackSpec, FeatureDistance, PretrainSpec
from cartl_core.storage.stage_result import NETWORK, read_result
from cartl_core.training.gradient import StepContext
from cartl_core.training.pretrain import adversarial, feature_distance_minimising, pretrain

ATTACK = AttackSpec(label="training", eps=0.1, step=0.05, steps=2)
STEP = StepContext(seed=5, epoch=0, step=0)
WEIGHT = 0.005
DEPTH = 2


def spec_of(weight: float) -> PretrainSpec:
    """A teacher by feature distance; only attack and penalty matter to a step."""
    return PretrainSpec(
        epochs=1,
        batch_size=6,
        lr=0.1,
        lr_schedule="constant",
        select="last",
        objective="fdm",
        attack=ATTACK,
        fdm_weight=weight,
    )


@pytest.fixture
def network(tiny: Any) -> Network:
    return build_network(tiny, 3, (0.3,), (0.4,), generator(1, "network"))


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    return torch.rand(6, 1, 8, 8, generator=generator(2, "images")), torch.tensor([0, 1, 2, 0, 1, 2])


def attacked(network: Network, images: Tensor, labels: Tensor) -> Tensor:
    """The inner attack of one step, made on a copy."""
    noise = torch.rand(images.shape, generator=STEP.draw("attack"))
    start = (2 * noise - 1) * ATTACK.eps
    aside = copy.deepcopy(network).eval()
    assert ATTACK.step is not None
    return perturb(aside, images, labels, eps=ATTACK.eps, step=ATTACK.step, steps=ATTACK.steps, start=start)


def mean_cross_entropy(logits: Tensor, labels: Tensor) -> float:
    """-log softmax of the true class, in plain Python."""
    total = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        total += math.log(sum(math.exp(value) for value in row)) - row[label]
    return total / len(labels)


def batch_norm_inputs(network: Network, *passes: Tensor) -> dict[str, list[Tensor]]:
    """What each batch-norm layer sees in train-mode passes through a copy."""
    aside = copy.deepcopy(network).train()
    seen: dict[str, list[Tensor]] = {}
    for name, layer in aside.named_modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.register_forward_pre_hook(
                lambda module, inputs, name=name: seen.setdefault(name, []).append(inputs[0].detach())
            )
    with torch.no_grad():
        for images in passes:
            aside(images)
    return seen


def expected_statistics(network: Network, *passes: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Running mean and (unbiased) variance after the passes, momentum 0.1, from 0 and 1."""
    expected = {}
    for name, inputs in batch_norm_inputs(network, *passes).items():
        channels = inputs[0].shape[1]
        mean, variance = torch.zeros(channels), torch.ones(channels)
        for seen in inputs:
            values = seen.transpose(0, 1).flatten(1)
            mean = 0.9 * mean + 0.1 * values.mean(dim=1)
            variance = 0.9 * variance + 0.1 * values.var(dim=1, unbiased=True)
        expected[name] = (mean, variance)
    return expected


def assert_statistics(network: Network, expected: dict[str, tuple[Tensor, Tensor]], passes: int) -> None:
    assert expected
    for name, (mean, variance) in expected.items():
        layer = network.get_submodule(name)
        assert isinstance(layer, nn.BatchNorm2d)
        assert layer.num_batches_tracked is not None
        assert int(layer.num_batches_tracked) == passes
        torch.testing.assert_close(layer.running_mean, mean, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(layer.running_var, variance, rtol=1e-4, atol=1e-6)


def test_the_fdm_loss_and_statistics_are_as_written_out(
    network: Network, batch: tuple[Tensor, Tensor]
) -> None:
    images, labels = batch
    moved = attacked(network, images, labels)
    statistics = expected_statistics(network, moved, images)
    aside = copy.deepcopy(network).train()
    lower, upper = aside.split(DEPTH)
    moved_features, logits = lower(moved), upper(lower(moved))
    clean_features = lower(images)
    distance = 0.0
    for one, other in zip(moved_features, clean_features, strict=True):
        squares = sum(value * value for value in (one - other).flatten().tolist())
        distance += math.sqrt(squares) / math.sqrt(one.numel())
    distance /= len(images)
    expected = mean_cross_entropy(logits, labels) + 128 * WEIGHT * distance

    network.train()
    loss = feature_distance_minimising(network, DEPTH, spec_of(WEIGHT))(images, labels, STEP)
    assert loss.total.item() == pytest.approx(expected, rel=1e-4)
    assert loss.metrics["feature_distance"].item() == pytest.approx(distance, rel=1e-4)
    assert_statistics(network, statistics, passes=2)


def test_the_at_loss_and_statistics_are_as_written_out(
    network: Network, batch: tuple[Tensor, Tensor]
) -> None:
    images, labels = batch
    moved = attacked(network, images, labels)
    statistics = expected_statistics(network, moved)
    expected = mean_cross_entropy(copy.deepcopy(network).train()(moved), labels)
    network.train()
    loss = adversarial(network, ATTACK)(images, labels, STEP)
    assert loss.total.item() == pytest.approx(expected, rel=1e-4)
    assert_statistics(network, statistics, passes=1)


@pytest.mark.parametrize("objective", ["at", "fdm"])
def test_batches_take_several_radii_in_turn(
    network: Network, batch: tuple[Tensor, Tensor], objective: str
) -> None:
    """Each step's loss is that of one radius alone, whose share of radius and step it took."""
    images, labels = batch
    radii = (0.5, 1.0, 1.5)

    def loss(radii: tuple[float, ...], step: StepContext) -> float:
        aside = copy.deepcopy(network).train()
        spec = spec_of(WEIGHT).model_copy(update={"radii": radii})
        made = {
            "at": adversarial(aside, spec.attack, spec.radii),
            "fdm": feature_distance_minimising(aside, DEPTH, spec),
        }
        return made[objective](images, labels, step).total.item()

    taken = []
    for epoch, number in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0)):
        step = StepContext(seed=5, epoch=epoch, step=number, steps=2)
        alone = [loss((share,), step) for share in radii]
        assert len(set(alone)) == 3
        taken.append(alone.index(loss(radii, step)))
    assert taken == [0, 1, 2, 0, 1]


def test_gradient_flows_through_both_features(network: Network, batch: tuple[Tensor, Tensor]) -> None:
    """A step of the loss against finite differences along its own gradient, in double precision."""
    images, labels = batch[0].double(), batch[1]
    network.double().train()
    moved = attacked(network, images, labels)
    objective = feature_distance_minimising(network, DEPTH, spec_of(1.0))
    loss = objective(images, labels, STEP).total
    name, parameter = next(iter(network.named_parameters()))
    (slope,) = torch.autograd.grad(loss, parameter)

    def value(shift: float) -> float:
        aside = copy.deepcopy(network)
        target = dict(aside.named_parameters())[name]
        with torch.no_grad():
            target.add_(shift * direction)
        lower, upper = aside.split(DEPTH)
        features, clean = lower(moved), lower(images)
        gap = (features - clean).flatten(1).norm(dim=1) / math.sqrt(features[0].numel())
        result: float = (nn.functional.cross_entropy(upper(features), labels) + 128 * gap.mean()).item()
        return result

    direction = slope / slope.norm()
    step = 1e-6
    assert (value(step) - value(-step)) / (2 * step) == pytest.approx(slope.norm().item(), rel=1e-3)


@pytest.mark.parametrize("distance", get_args(FeatureDistance))
def test_every_layer_is_compared_for_a_teacher_of_every_depth(
    network: Network, batch: tuple[Tensor, Tensor], distance: FeatureDistance
) -> None:
    images, labels = batch
    moved = attacked(network, images, labels)
    spec = spec_of(WEIGHT).model_copy(update={"fdm_layers": "every", "fdm_distance": distance})
    penalties = []
    for depth in range(1, network.block_count):
        lower = copy.deepcopy(network).train().split(depth)[0]
        penalties.append(PENALTIES[distance](lower(moved), lower(images)).item())
    logits = copy.deepcopy(network).train()(moved)
    expected = mean_cross_entropy(logits, labels) + WEIGHT * sum(penalties) / len(penalties)
    statistics = expected_statistics(network, moved, images)
    network.train()
    found = [
        feature_distance_minimising(copy.deepcopy(network), d, spec)(images, labels, STEP) for d in (1, 3)
    ]
    assert [loss.total.item() for loss in found] == pytest.approx([expected, expected], rel=1e-4)
    feature_distance_minimising(network, 2, spec)(images, labels, STEP)
    assert_statistics(network, statistics, passes=2)


def test_the_feature_distance_falls_during_training(workspace: Any, arm: Any, tiny: Any, task: Any) -> None:
    spec = arm("cartl", pretrain={"epochs": 6, "fdm_weight": 0.05}).pretrain
    stage = workspace("fdm")
    pretrain(spec, DEPTH, tiny, task(train=64), seed=0, ctx=stage.context())
    distances = [
        event.metrics["feature_distance"] for event in stage.events if isinstance(event, EpochFinished)
    ]
    assert distances[-1] < 0.5 * distances[0]


@pytest.mark.parametrize("method", ["vanilla", "cartl"])
def test_a_teacher_resumed_several_times_has_the_same_bits(
    workspace: Any, arm: Any, tiny: Any, task: Any, method: str
) -> None:
    spec = arm(method, pretrain={"epochs": 2, "select": "best_robust", "augmentation": "crop_flip_rotate"})
    whole, pieces = workspace("whole"), workspace("pieces")
    pretrain(spec.pretrain, DEPTH, tiny, task(), seed=0, ctx=whole.context())
    for steps in (1, 1, 1):
        with pytest.raises(Interrupted):
            pretrain(spec.pretrain, DEPTH, tiny, task(), seed=0, ctx=pieces.context(stop_after=steps))
    pretrain(spec.pretrain, DEPTH, tiny, task(), seed=0, ctx=pieces.context())
    assert (pieces.directory / NETWORK).read_bytes() == (whole.directory / NETWORK).read_bytes()
    assert read_result(pieces.directory) == read_result(whole.directory)


def test_what_is_stored_is_a_network_with_its_normalisation(
    workspace: Any, arm: Any, tiny: Any, task: Any
) -> None:
    stage = workspace("at")
    pretrain(arm("vanilla").pretrain, 0, tiny, task(), seed=0, ctx=stage.context())
    network = load_network(stage.directory / NETWORK)
    assert network.arch.classes == 4
    assert network.arch.mean == (0.3,)
    facts = read_result(stage.directory)
    assert facts["selected_epoch"] == 2
    assert len(facts["history"]) == 2
