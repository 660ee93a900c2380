from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from cartl_core.nn.neft import (
    apply_nonexpansive,
    bake,
    sigmas,
    tuned_layers,
)
from cartl_core.nn.network import Residual
from cartl_core.nn.operator_norm import reshaped_sigma
from tests.core.nn.neft_networks import effective_weights, network, same, train, weight_of

MODELS = ("tiny", "wrn-16-2", "resnet18", "resnet50")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def expected_layers(tail: nn.Module) -> list[str]:
    """By the parameters' shapes, not by module type: all weights but those of batch norm are matrices."""
    return [
        name.removesuffix(".weight") for name, parameter in tail.named_parameters() if parameter.dim() >= 2
    ]


def independent_sigma(weight: Tensor) -> float:
    return float(torch.linalg.svdvals(weight.detach().reshape(weight.shape[0], -1))[0])


@pytest.mark.parametrize("name", MODELS)
def test_every_layer_of_the_tail_is_tuned_and_nothing_of_the_trunk(name: str) -> None:
    net = network(name)
    for depth in {1, net.block_count // 2, net.block_count - 1}:
        fresh = copy.deepcopy(net)
        lower, upper = fresh.split(depth)
        names = expected_layers(upper)
        trunk = {key: value.clone() for key, value in lower.state_dict().items()}
        apply_nonexpansive(upper, 0.4)
        scaled = [key for key, layer in upper.named_modules() if parametrize.is_parametrized(layer)]
        assert scaled == names
        assert not any(parametrize.is_parametrized(layer) for layer in lower.modules())
        assert all(torch.equal(value, trunk[key]) for key, value in lower.state_dict().items())
        assert {m.average for m in upper.modules() if isinstance(m, Residual)} <= {True}
        assert {m.average for m in lower.modules() if isinstance(m, Residual)} <= {False}


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "wrn-16-2"])
def test_shortcuts_and_head_are_among_the_layers(name: str) -> None:
    net = network(name)
    _, upper = net.split(1)
    names = expected_layers(upper)
    one_by_one = [key for key in names if weight_of(upper.get_submodule(key)).shape[2:] == (1, 1)]
    assert any("shortcut" in key for key in one_by_one)
    assert upper.get_submodule(names[-1]) is net.head
    convolutions = sum(isinstance(layer, nn.Conv2d) for layer in upper.modules())
    assert len(names) == convolutions + 1


@pytest.mark.parametrize(
    ("name", "depth", "beta"), [("tiny", 0, 1.0), ("tiny", 1, 0.4), ("wrn-16-2", 2, 0.6)]
)
def test_sigma_by_svd_at_once(name: str, depth: int, beta: float) -> None:
    net = network(name)
    _, upper = net.split(depth)
    names = expected_layers(upper)
    apply_nonexpansive(upper, beta)
    at_once = effective_weights(upper, names)
    assert {key: independent_sigma(at_once[key]) for key in names} == pytest.approx(
        dict.fromkeys(names, beta), abs=1e-5
    )


@pytest.mark.parametrize(
    ("name", "depth", "beta", "steps"),
    [("tiny", 0, 1.0, 5), ("wrn-16-2", 2, 0.4, 5), ("resnet18", 1, 0.4, 1), ("resnet50", 13, 0.4, 1)],
)
def test_sigma_by_svd_after_training_and_baking(name: str, depth: int, beta: float, steps: int) -> None:
    net = network(name)
    _, upper = net.split(depth)
    names = expected_layers(upper)
    apply_nonexpansive(upper, beta)
    train(net, steps=steps, count=4)
    bake(upper)
    baked = effective_weights(upper, names)
    assert len(baked) == len(names) > 0
    for key in names:
        assert independent_sigma(baked[key]) == pytest.approx(beta, abs=1e-3), key
    assert sigmas(upper) == pytest.approx(dict.fromkeys(names, beta), abs=1e-3)


@pytest.mark.parametrize("lr", [0.05, 0.1])
def test_sigma_stays_within_ten_percent_during_training(lr: float) -> None:
    net = network("wrn-16-2")
    _, upper = net.split(2)
    apply_nonexpansive(upper, 0.6)
    before = {key: layer.weight.detach().clone() for key, layer in tuned_layers(upper)}
    for step in range(6):
        train(net, steps=1, seed=step, lr=lr)
        for key, sigma in sigmas(upper).items():
            assert sigma == pytest.approx(0.6, rel=0.1), (step, key)
    moved = [float((layer.weight.detach() - before[key]).norm()) for key, layer in tuned_layers(upper)]
    assert min(moved) > 0


class Nested(nn.Module):
    """Convolutions inside Sequentials inside lists, which a search of direct children misses."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(1, 3, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(3, 12, 2, groups=3))
        )
        self.second = nn.ModuleList(
            [nn.Sequential(nn.Flatten()), nn.ModuleDict({"deep": nn.Linear(12 * 36, 2)})]
        )

    def forward(self, x: Tensor) -> Tensor:
        flat = self.second[0](self.first(x))
        heads = self.second[1]
        assert isinstance(heads, nn.ModuleDict)
        out: Tensor = heads["deep"](flat)
        return out


def test_nested_and_grouped_layers() -> None:
    nested = Nested()
    apply_nonexpansive(nested, 0.5)
    assert set(sigmas(nested)) == {"first.0", "first.1.1", "second.1.deep"}
    assert all(sigma == pytest.approx(0.5, abs=1e-5) for sigma in sigmas(nested).values())
    assert nested(torch.rand(2, 1, 9, 9)).shape == (2, 2)


def test_effective_weight_is_the_formula() -> None:
    layer = nn.Linear(5, 3)
    weight = layer.weight.detach().clone()
    apply_nonexpansive(nn.Sequential(layer), 0.7)
    torch.testing.assert_close(layer.weight, 0.7 * weight / independent_sigma(weight))


def test_a_layer_of_zeros_stays_finite() -> None:
    layer = nn.Linear(4, 3)
    nn.init.zeros_(layer.weight)
    apply_nonexpansive(nn.Sequential(layer), 0.4)
    layer(torch.rand(2, 4)).sum().backward()
    assert layer.weight.isfinite().all()
    assert layer.weight.abs().max() == 0


@pytest.mark.parametrize("beta", [0.0, -1.0, float("nan")])
def test_beta_must_be_positive(beta: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        apply_nonexpansive(nn.Sequential(nn.Linear(2, 2)), beta)


def test_twice_is_refused_and_changes_nothing() -> None:
    tail = nn.Sequential(nn.Linear(3, 2))
    apply_nonexpansive(tail, 0.4)
    before = copy.deepcopy(tail.state_dict())
    with pytest.raises(ValueError, match="already"):
        apply_nonexpansive(tail, 0.5)
    assert same(before, tail.state_dict())


def test_sigmas_of_a_plain_network_are_those_of_its_weights() -> None:
    net = network()
    found = sigmas(net)
    assert list(found) == expected_layers(net)
    assert found == {name: reshaped_sigma(weight_of(net.get_submodule(name))) for name in found}
