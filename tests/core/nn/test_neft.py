from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from cartl_core.nn.build import build_network
from cartl_core.nn.neft import (
    SpectralScale,
    apply_nonexpansive,
    bake,
    converge,
    sigmas,
    tuned_layers,
)
from cartl_core.nn.network import Network, Residual
from cartl_core.nn.operator_norm import reshaped_sigma
from cartl_core.nn.rng import generator
from cartl_core.spec import ModelSpec

MODELS = ("tiny", "wrn-16-2", "resnet18", "resnet50")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def network(name: str = "tiny", seed: int = 0) -> Network:
    model = ModelSpec(name=name, stem_stride=2, image_size=16, channels=1)
    return build_network(model, 4, (0.3,), (0.4,), generator(seed, "network"))


def batch(seed: int = 0, count: int = 8) -> tuple[Tensor, Tensor]:
    draw = generator(seed, "batch")
    return torch.rand(count, 1, 16, 16, generator=draw), torch.randint(0, 4, (count,), generator=draw)


def train(model: nn.Module, steps: int, seed: int = 1, lr: float = 0.05, count: int = 8) -> None:
    tuned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(tuned, lr=lr, momentum=0.9, weight_decay=5e-4)
    for step in range(steps):
        images, labels = batch(seed * 1000 + step, count)
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimiser.step()


def expected_layers(tail: nn.Module) -> list[str]:
    """By the parameters' shapes, not by module type: all weights but those of batch norm are matrices."""
    return [
        name.removesuffix(".weight") for name, parameter in tail.named_parameters() if parameter.dim() >= 2
    ]


def independent_sigma(weight: Tensor) -> float:
    return float(torch.linalg.svdvals(weight.detach().reshape(weight.shape[0], -1))[0])


def weight_of(layer: nn.Module) -> Tensor:
    """A layer's weight, a parameter or made of one."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight


def effective_weights(tail: nn.Module, names: list[str]) -> dict[str, Tensor]:
    with torch.no_grad():
        return {name: weight_of(tail.get_submodule(name)) for name in names}


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


def test_gradient_flows_through_sigma() -> None:
    """W_eff does not change with the scale of W, so the gradient is orthogonal to W; checked against
    the SVD's own derivative."""
    layer = nn.Linear(6, 4).double()
    weight = layer.weight.detach().clone().requires_grad_(True)
    diagnostic = torch.randn(4, 6, dtype=torch.float64)
    (0.4 * weight / torch.linalg.matrix_norm(weight, ord=2) * diagnostic).sum().backward()
    apply_nonexpansive(nn.Sequential(layer), 0.4)
    layer.eval()
    (layer.weight * diagnostic).sum().backward()
    original = layer.get_parameter("parametrizations.weight.original")
    assert original.grad is not None
    torch.testing.assert_close(original.grad, weight.grad)
    assert abs(float((original.grad * original.detach()).sum())) < 1e-12


def test_a_layer_of_zeros_stays_finite() -> None:
    layer = nn.Linear(4, 3)
    nn.init.zeros_(layer.weight)
    apply_nonexpansive(nn.Sequential(layer), 0.4)
    layer(torch.rand(2, 4)).sum().backward()
    assert layer.weight.isfinite().all()
    assert layer.weight.abs().max() == 0


def vectors(tail: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in tail.state_dict().items() if key.endswith((".u", ".v"))}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return list(first) == list(second) and all(torch.equal(first[key], second[key]) for key in first)


def test_the_vectors_move_once_a_training_pass_and_only_then() -> None:
    net = network()
    _, upper = net.split(1)
    apply_nonexpansive(upper, 0.4)
    with torch.no_grad():  # away from the fixed point, so that any iteration shows
        for _, scale in ((k, m) for k, m in upper.named_modules() if isinstance(m, SpectralScale)):
            scale.u.copy_(nn.functional.normalize(torch.ones_like(scale.u), dim=0))
    start = vectors(upper)
    images, _ = batch()
    net.eval()
    net(images).sum().backward()
    net.train()
    with torch.no_grad():
        net(images)
        sigmas(upper)
    assert same(vectors(upper), start)
    net(images)
    moved = vectors(upper)
    for key, value in moved.items():
        if key.endswith(".u"):
            prefix = key.removesuffix(".0.u")
            flat = upper.state_dict()[prefix + ".original"].flatten(1)
            v = nn.functional.normalize(flat.T @ start[key], dim=0)
            torch.testing.assert_close(value, nn.functional.normalize(flat @ v, dim=0))
            torch.testing.assert_close(moved[prefix + ".0.v"], v)


def test_two_passes_before_one_backward_pass() -> None:
    net = network()
    _, upper = net.split(1)
    apply_nonexpansive(upper, 0.4)
    (net(batch(1)[0]).sum() + net(batch(2)[0]).sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in upper.parameters())


def test_resumed_training_is_bit_identical() -> None:
    straight = network()
    apply_nonexpansive(straight.split(1)[1], 0.4)
    train(straight, steps=3, seed=1)
    saved = copy.deepcopy(straight.state_dict())
    train(straight, steps=3, seed=2)

    resumed = network(seed=99)
    apply_nonexpansive(resumed.split(1)[1], 0.4)
    resumed.load_state_dict(saved)
    train(resumed, steps=3, seed=2)
    assert same(straight.state_dict(), resumed.state_dict())

    bake(straight.split(1)[1])
    bake(resumed.split(1)[1])
    assert same(straight.state_dict(), resumed.state_dict())


def test_baking_keeps_the_function_and_leaves_plain_keys() -> None:
    plain = network()
    net = copy.deepcopy(plain)
    _, upper = net.split(1)
    apply_nonexpansive(upper, 0.4)
    train(net, steps=2)
    converge(upper)
    net.eval()
    images, _ = batch(5)
    with torch.no_grad():
        before = net(images)
    asking = [parameter.requires_grad for parameter in net.parameters()]
    net.train()
    bake(upper)
    assert all(module.training for module in net.modules())
    net.eval()
    with torch.no_grad():
        torch.testing.assert_close(net(images), before, rtol=1e-4, atol=1e-5)
    assert sorted(net.state_dict()) == sorted(plain.state_dict())
    assert {type(m) for m in net.modules()} == {type(m) for m in plain.modules()}
    assert [parameter.requires_grad for parameter in net.parameters()] == asking
    assert net.arch.averaged_from == 1
    once = copy.deepcopy(net.state_dict())
    bake(upper)
    assert same(once, net.state_dict())


def test_convergence_finds_a_new_leader() -> None:
    """Power iteration stalls on the old leading vector, of which the new one has no part."""
    layer = nn.Linear(3, 3, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.diag(torch.tensor([1.0, 0.9, 0.5])))
    tail = nn.Sequential(layer)
    apply_nonexpansive(tail, 0.4)
    with torch.no_grad():
        layer.get_parameter("parametrizations.weight.original").copy_(
            torch.diag(torch.tensor([1.0, 1.1, 0.5]))
        )
    assert sigmas(tail)["0"] == pytest.approx(0.44)
    converge(tail)
    assert sigmas(tail)["0"] == pytest.approx(0.4)


def test_training_under_bf16_autocast_keeps_the_vectors_in_single_precision() -> None:
    plain = network()
    _, upper = plain.split(1)
    apply_nonexpansive(upper, 0.4)
    autocast = copy.deepcopy(plain)
    images, labels = batch()
    plain(images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = autocast(images)
        assert logits.dtype == torch.bfloat16
        loss = nn.functional.cross_entropy(logits, labels)
    loss.backward()
    assert {value.dtype for value in vectors(autocast).values()} == {torch.float32}
    assert same(vectors(autocast.split(1)[1]), vectors(plain.split(1)[1]))
    gradients = [p.grad for p in autocast.parameters()]
    assert all(g is not None and g.dtype == torch.float32 and g.isfinite().all() for g in gradients)


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
