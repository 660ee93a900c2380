from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from math import sqrt

import pytest
import torch
from torch import Tensor, nn

from cartl_core.catalog.architectures import resnet
from cartl_core.nn.build import build_network
from cartl_core.nn.lipschitz import RULES, audit_tail, batch_norm_gain
from cartl_core.nn.neft import apply_nonexpansive, bake, tuned_layers
from cartl_core.nn.network import GlobalPool, Network, Normalize, Residual
from cartl_core.nn.rng import generator
from cartl_core.report.certificates import TailAudit
from cartl_core.spec import ModelSpec

NETWORKS = [("tiny", 1), ("tiny", 2), ("tiny", 4), ("resnet18", 3), ("resnet50", 13)]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """ResNets of the same build, with few channels."""
    monkeypatch.setattr(resnet, "STEM_WIDTH", 4)
    monkeypatch.setattr(resnet, "GROUP_WIDTHS", (4, 6, 8, 10))


def network(name: str = "tiny", seed: int = 0) -> Network:
    """In float64, its batch norm as if trained: gains above and below 1."""
    model = ModelSpec(name=name, stem_stride=1, image_size=8, channels=3)
    net = build_network(model, 4, (0.3, 0.5, 0.4), (0.4, 0.2, 0.3), generator(seed, "network"))
    draw = generator(seed, "statistics")
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.normal_(generator=draw)
            layer.running_var.uniform_(0.3, 3.0, generator=draw)
            layer.weight.data.normal_(generator=draw)
            layer.bias.data.normal_(generator=draw)
    return net.double().eval()


def features_of(net: Network, depth: int, count: int = 8, seed: int = 0) -> Tensor:
    draw = generator(seed, "images")
    with torch.no_grad():
        features: Tensor = net.split(depth)[0](torch.rand(count, 3, 8, 8, generator=draw).double())
    return features


def quotients(tail: nn.Module, first: Tensor, second: Tensor) -> Tensor:
    """(N,): how far the logits get apart over how far the features are."""
    apart = torch.linalg.vector_norm((first - second).flatten(1), dim=1)
    result: Tensor = torch.linalg.vector_norm(tail(first) - tail(second), dim=1) / apart
    return result


def steepest_quotient(tail: nn.Module, start: Tensor, steps: int, rate: float = 0.05) -> float:
    """The largest quotient that gradient ascent on both points finds."""
    first = start.clone().requires_grad_(True)
    second = (start + 0.1 * torch.randn(start.shape, generator=generator(5)).double()).requires_grad_(True)
    climber = torch.optim.Adam([first, second], lr=rate)
    best = 0.0
    for _ in range(steps):
        climber.zero_grad()
        found = quotients(tail, first, second)
        best = max(best, float(found.detach().max()))
        (-found.sum()).backward()
        climber.step()
    return best


@pytest.mark.parametrize(("name", "depth"), NETWORKS)
def test_no_two_features_get_further_apart_than_proven(name: str, depth: int) -> None:
    net = network(name)
    _, tail = net.split(depth)
    features = features_of(net, depth)
    constant = audit_tail(tail, tuple(features.shape[1:]), generator(0)).tail_constant
    with torch.no_grad():
        for scale in (1e-3, 1.0, 30.0):
            moved = features + scale * torch.randn(features.shape, generator=generator(1)).double()
            assert float(quotients(tail, features, moved).max()) <= constant
    assert 0 < steepest_quotient(tail, features[:2], 25) <= constant


def constant_of_all(net: Network) -> float:
    """From pixels in [0, 1], the input's normalisation included."""
    model = net.arch.model
    _, whole = net.split(0)
    shape = (model.channels, model.image_size, model.image_size)
    return audit_tail(whole, shape, generator(0)).tail_constant


def test_of_the_whole_network_too_its_normalisation_included() -> None:
    net = network()
    constant = constant_of_all(net)
    assert 0 < steepest_quotient(net, features_of(net, 0)[:4], 60, rate=0.01) <= constant
    sharper = network()
    sharper.normalize.std.div_(8)
    assert constant_of_all(sharper) == pytest.approx(8 * constant, rel=1e-12)


def test_gradient_ascent_gets_close_where_the_constant_is_tight() -> None:
    """Of a tail that is linear the constant can be reached, so it is no mere large number."""
    net = network()
    _, head = net.split(4)
    constant = audit_tail(head, (32,), generator(0)).tail_constant
    assert 0.99 * constant < steepest_quotient(head, features_of(net, 4)[:2], 300) <= constant


def sequence(**modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(modules)).double()


def scaling(factor: float, channels: int = 2) -> nn.Conv2d:
    layer = nn.Conv2d(channels, channels, 1, bias=False)
    layer.weight.data = factor * torch.eye(channels)[:, :, None, None]
    return layer.double()


CLOSED_FORMS: list[tuple[nn.Module, float]] = [
    (nn.Sequential(scaling(3.0), scaling(0.5)), 1.5),
    (Residual(branch=scaling(3.0)), 4.0),
    (Residual(branch=scaling(3.0), shortcut=scaling(2.0), before=scaling(0.5), after=scaling(4.0)), 10.0),
    (nn.ReLU(), 1.0),
    (nn.LeakyReLU(0.1), 1.0),
    (nn.LeakyReLU(-2.5), 2.5),
    (nn.Identity(), 1.0),
    (GlobalPool(), 1 / sqrt(12)),
    (Normalize((0.5, 0.5), (0.25, 0.5)), 4.0),
]


@pytest.mark.parametrize(("module", "expected"), CLOSED_FORMS)
def test_layers_with_a_closed_form_get_their_constant(module: nn.Module, expected: float) -> None:
    audit = audit_tail(nn.Sequential(module), (2, 3, 4), generator(0))
    assert expected * (1 - 1e-12) <= audit.tail_constant <= expected * (1 + 1e-3)


def test_an_averaged_residual_has_half_the_constant_of_the_sum() -> None:
    block = Residual(branch=scaling(3.0))
    block.average = True
    assert audit_tail(nn.Sequential(block), (2, 3, 4), generator(0)).tail_constant == pytest.approx(
        2, rel=1e-3
    )


def test_batch_norm_gain_is_the_largest_slope() -> None:
    layer = nn.BatchNorm2d(3)
    layer.weight.data = torch.tensor([1.0, -6.0, 2.0])
    layer.running_var = torch.tensor([4.0, 9.0, 0.25])
    x = torch.randn(2, 3, 4, 4, generator=generator(1)).double().requires_grad_(True)
    layer.double().eval()(x).sum().backward()
    assert x.grad is not None
    assert batch_norm_gain(layer) == pytest.approx(float(x.grad.abs().max()), rel=1e-12)
    plain = nn.BatchNorm2d(2, affine=False)
    assert batch_norm_gain(plain) == pytest.approx(1 / sqrt(1 + 1e-5))


def test_there_is_a_row_for_each_layer_and_a_row_for_each_block() -> None:
    net = network()
    _, tail = net.split(2)
    audit = audit_tail(tail, (16, 4, 4), generator(0))
    rows = {row.name: row for row in audit.layers}
    assert [block.name for block in audit.blocks] == [name for name, _ in tail.named_children()]
    weighted = [name for name, _ in tuned_layers(tail)]
    norms = [name for name, layer in tail.named_modules() if isinstance(layer, nn.BatchNorm2d)]
    assert {name for name, row in rows.items() if row.kind in ("convolution", "linear")} == set(weighted)
    assert {name for name, row in rows.items() if row.kind == "batch_norm"} == set(norms)
    for name in weighted:
        row = rows[name]
        assert row.reshaped_sigma is not None and row.power_estimate is not None
        assert row.power_estimate <= row.upper_bound <= 3 * row.reshaped_sigma * (1 + 1e-9)
    product = 1.0
    for block in audit.blocks:
        product *= block.upper_bound
    assert audit.tail_constant == pytest.approx(product, rel=1e-12)
    assert TailAudit.model_validate_json(audit.model_dump_json()) == audit


class Doubling(nn.ReLU):
    """Looks like an activation of slope 1."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.Sequential(Doubling()), "Doubling, which no bound is known for"),
        (lambda: nn.Sequential(nn.Sequential(nn.Softmax(dim=1))), "0.0 is a Softmax"),
        (lambda: nn.Sequential(nn.Conv2d(3, 2, 1)), "takes 3 channels"),
        (lambda: nn.Sequential(nn.Conv2d(2, 2, 3, dilation=2)), "no bound for dilation"),
        (lambda: nn.Sequential(nn.BatchNorm2d(2, track_running_stats=False)), "no gain of its own"),
        (lambda: nn.Sequential(Residual(branch=nn.Conv2d(2, 3, 1))), "adds a branch"),
        (lambda: Residual(branch=nn.Identity()), "not a Residual"),
    ],
)
def test_what_has_no_rule_is_not_certified(make: Callable[[], nn.Module], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        audit_tail(make(), (2, 3, 4), generator(0))


def test_a_tail_must_be_baked_and_finite() -> None:
    _, tail = network().split(4)
    apply_nonexpansive(tail, 0.5)
    with pytest.raises(ValueError, match="Parametrized"):
        audit_tail(tail, (32,), generator(0))
    bake(tail)
    assert audit_tail(tail, (32,), generator(0)).tail_constant == pytest.approx(0.5, rel=1e-3)
    layer = nn.BatchNorm2d(2)
    layer.weight.data[0] = float("nan")
    with pytest.raises(ValueError, match="not finite"):
        batch_norm_gain(layer)


def test_all_layers_of_our_networks_have_a_rule() -> None:
    for name in ("tiny", "resnet18", "resnet50"):
        assert {type(module) for module in network(name).modules()} <= {*RULES, Network, nn.ModuleList}
