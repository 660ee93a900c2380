from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from cartl_core.catalog.architectures import resnet
from cartl_core.nn.build import build_network
from cartl_core.nn.gram_iteration import convolution_upper_bound
from cartl_core.nn.lipschitz import audit_tail, batch_norm_gain
from cartl_core.nn.neft_operator import OperatorScale, apply_operator, bake_operator
from cartl_core.nn.network import Network
from cartl_core.nn.rng import generator
from cartl_core.spec import ModelSpec

TAILS = [("tiny", 0, 1.0), ("tiny", 2, 0.5), ("tiny", 4, 1.0), ("resnet18", 3, 1.0), ("resnet50", 13, 0.7)]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """ResNets of the same build, with few channels."""
    monkeypatch.setattr(resnet, "STEM_WIDTH", 4)
    monkeypatch.setattr(resnet, "GROUP_WIDTHS", (4, 6, 8, 10))


def network(name: str = "tiny", seed: int = 0) -> Network:
    """Its batch norms as if trained: some stretch, some do not."""
    model = ModelSpec(name=name, stem_stride=1, image_size=8, channels=1)
    net = build_network(model, 4, (0.3,), (0.4,), generator(seed, "network"))
    draw = generator(seed, "statistics")
    for layer in batch_norms(net):
        assert layer.running_var is not None
        layer.running_var.uniform_(0.1, 4.0, generator=draw)
        layer.weight.data.normal_(generator=draw)
        layer.bias.data.normal_(generator=draw)
    return net.eval()


def batch_norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]


def restricted(
    name: str = "tiny", depth: int = 2, beta: float = 1.0, seed: int = 0
) -> tuple[Network, nn.Module]:
    net = network(name, seed)
    lower, upper = net.split(depth)
    with torch.no_grad():
        features = lower(torch.rand(1, 1, 8, 8, generator=generator(1)))
    apply_operator(upper, beta, features, generator(seed, "power"))
    return net, upper


def train(net: nn.Module, steps: int, seed: int = 1, lr: float = 0.05) -> None:
    net.train()
    optimiser = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)
    for step in range(steps):
        draw = generator(seed, step)
        images, labels = torch.rand(8, 1, 8, 8, generator=draw), torch.randint(0, 4, (8,), generator=draw)
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(images), labels).backward()
        optimiser.step()
    net.eval()


def features_of(net: Network, depth: int, count: int = 6) -> Tensor:
    with torch.no_grad():
        features: Tensor = net.split(depth)[0](torch.rand(count, 1, 8, 8, generator=generator(7)))
    return features


@pytest.mark.parametrize(("name", "depth", "beta"), TAILS)
def test_what_is_baked_is_proven(name: str, depth: int, beta: float) -> None:
    net, upper = restricted(name, depth, beta)
    train(net, 3)
    bake_operator(upper)
    features = features_of(net, depth)
    audit = audit_tail(upper, tuple(features.shape[1:]), generator(0))
    for row in audit.layers:
        if row.kind in ("convolution", "linear"):
            assert 0.9 * beta < row.upper_bound <= beta, row
        elif row.kind == "batch_norm":
            assert row.upper_bound <= 1, row
    blocks = [block for block in audit.blocks if block.name != "normalize"]
    assert blocks
    assert all(block.upper_bound <= 1 for block in blocks)
    assert audit.tail_constant <= beta / (0.4 if depth == 0 else 1) * (1 + 1e-6)
    moved = features + torch.randn(features.shape, generator=generator(3))
    with torch.no_grad():
        apart = torch.linalg.vector_norm((upper(moved) - upper(features)).double(), dim=1)
    assert (apart <= audit.tail_constant * (moved - features).flatten(1).norm(dim=1) * (1 + 1e-5)).all()


def both(sizes: str | tuple[int, ...]) -> tuple[int, int]:
    """Height and width, as a convolution keeps them."""
    assert isinstance(sizes, tuple)
    height, width = sizes
    return height, width


def effective_norms(upper: nn.Module) -> list[float]:
    """Proven bounds of the weights in effect, whatever made them."""
    found = []
    for layer in upper.modules():
        if isinstance(layer, nn.Conv2d):
            plain = nn.Conv2d(
                layer.in_channels,
                layer.out_channels,
                both(layer.kernel_size),
                both(layer.stride),
                both(layer.padding),
                bias=False,
            )
            plain.weight = nn.Parameter(layer.weight.detach().clone())
            scale = layer.get_submodule("parametrizations.weight.0")
            assert isinstance(scale, OperatorScale)
            found.append(convolution_upper_bound(plain, scale.size))
    return found


def test_the_norms_are_followed_while_the_tail_is_trained() -> None:
    net, upper = restricted(beta=0.8)
    assert effective_norms(upper) == pytest.approx([0.8] * 3, rel=0.03)
    for step in range(4):
        train(net, 1, seed=step)
        assert effective_norms(upper) == pytest.approx([0.8] * 3, rel=0.1)
        assert all(batch_norm_gain(layer) <= 1 + 1e-6 for layer in batch_norms(upper))


def test_batch_norm_is_scaled_channel_by_channel_and_keeps_its_signs() -> None:
    plain = network().split(2)[1]
    _, upper = restricted()
    x = torch.randn(3, 16, 4, 4, generator=generator(4))
    before, after = batch_norms(plain)[0], batch_norms(upper)[0]
    assert before.running_var is not None
    shrinking = (before.running_var + before.eps).sqrt() / before.weight.abs()
    assert 0 < int((shrinking < 1).sum()) < 16
    torch.testing.assert_close(after(x), before(x) * shrinking.clamp(max=1).view(1, -1, 1, 1))


@pytest.mark.parametrize(("stride", "size"), [(1, (4, 5)), (2, (5, 4))])
def test_effective_weight_and_gradient_are_those_of_the_exact_norm(
    stride: int, size: tuple[int, int]
) -> None:
    """Against the whole convolution written out as a matrix, differentiated through its decomposition."""
    layer = nn.Conv2d(2, 3, 3, stride, 1, bias=False).double()
    nn.init.normal_(layer.weight, generator=generator(stride, "weight"))
    weight = layer.weight.detach().clone().requires_grad_(True)
    basis = torch.eye(2 * size[0] * size[1], dtype=torch.float64).view(-1, 2, *size)
    matrix = nn.functional.conv2d(basis, weight, stride=stride, padding=1).flatten(1)
    exact = 0.7 * weight / torch.linalg.matrix_norm(matrix, ord=2)
    scale = OperatorScale(layer, 0.7, size, generator(0)).double()
    for _ in range(2000):
        scale._iterate(layer.weight.detach())
    parametrize.register_parametrization(layer, "weight", scale)
    layer.eval()
    torch.testing.assert_close(layer.weight, exact, rtol=1e-5, atol=1e-7)
    diagnostic = torch.randn(weight.shape, generator=generator(1), dtype=torch.float64)
    (exact * diagnostic).sum().backward()
    (layer.weight * diagnostic).sum().backward()
    original = layer.get_parameter("parametrizations.weight.original")
    assert original.grad is not None and weight.grad is not None
    torch.testing.assert_close(original.grad, weight.grad, rtol=1e-4, atol=1e-6)


def vectors(tail: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in tail.state_dict().items() if key.endswith((".u", ".v"))}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return list(first) == list(second) and all(torch.equal(first[key], second[key]) for key in first)


def test_the_vectors_move_in_training_passes_only() -> None:
    net, upper = restricted()
    start = vectors(upper)
    assert len(start) == 8
    images = torch.rand(4, 1, 8, 8, generator=generator(2))
    net(images).sum().backward()
    net.train()
    with torch.no_grad():
        net(images)
    assert same(vectors(upper), start)
    train(net, 1)
    assert not same(vectors(upper), start)


def test_resumed_training_is_bit_identical() -> None:
    straight, tail = restricted()
    train(straight, 2, seed=1)
    saved = copy.deepcopy(straight.state_dict())
    train(straight, 2, seed=2)
    resumed, other = restricted(seed=9)
    resumed.load_state_dict(saved)
    train(resumed, 2, seed=2)
    assert same(straight.state_dict(), resumed.state_dict())
    bake_operator(tail)
    bake_operator(other)
    assert same(straight.state_dict(), resumed.state_dict())


def test_a_copy_shrinks_by_its_own_statistics() -> None:
    net, _ = restricted()
    twin = copy.deepcopy(net)
    before = batch_norms(net)[-1].weight.detach().clone()
    for layer in batch_norms(twin):
        assert layer.running_var is not None
        layer.running_var.mul_(1e-4)
    assert torch.equal(batch_norms(net)[-1].weight, before)
    assert float(batch_norms(twin)[-1].weight.detach().abs().max()) < 0.1


def test_baking_changes_the_function_by_little_and_leaves_plain_layers() -> None:
    plain = network()
    net, upper = restricted()
    train(net, 2)
    features = features_of(net, 2)
    with torch.no_grad():
        before = upper(features)
        bake_operator(upper)
        after = upper(features)
    assert float((after - before).norm() / before.norm()) < 0.05
    assert sorted(net.state_dict()) == sorted(plain.state_dict())
    assert [type(module) for module in net.modules()] == [type(module) for module in plain.modules()]


def test_beta_outside_0_to_1_and_a_second_application_are_refused() -> None:
    _, upper = network().split(2)
    features = features_of(network(), 2)
    for beta in (0.0, -1.0, 1.01):
        with pytest.raises(ValueError, match="at most 1"):
            apply_operator(upper, beta, features, generator(0))
    apply_operator(upper, 1.0, features, generator(0))
    with pytest.raises(ValueError, match="already"):
        apply_operator(upper, 1.0, features, generator(0))
