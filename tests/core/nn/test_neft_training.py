"""NEFT while it is trained: its vectors move once a training pass, resume and baking keep the bits."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from cartl_core.nn.neft import (
    SpectralScale,
    apply_nonexpansive,
    bake,
    converge,
    sigmas,
)
from tests.core.nn.neft_networks import batch, network, same, train


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


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


def vectors(tail: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in tail.state_dict().items() if key.endswith((".u", ".v"))}


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
