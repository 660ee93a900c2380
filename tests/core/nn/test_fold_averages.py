"""Averages folded into weights: the same logits from sums alone, whatever the statistics are."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cartl_core.nn.fold_averages import FoldRefused, fold_averages
from cartl_core.nn.neft import apply_nonexpansive, bake
from cartl_core.nn.network import Network, Residual
from cartl_core.nn.rng import generator
from tests.core.nn.neft_networks import batch, network, train

LAST_MERGE = {"tiny": 2, "wrn-16-2": 5, "wrn-22-2": 8, "resnet18": 7}
"""Networks, and the last block of each that has a merge, counted from 0."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def drawn(name: str, depth: int, seed: int) -> Network:
    """A network that averages from block ``depth`` on, every number of its batch norms drawn at random."""
    net = network(name, seed=seed % 7).double()
    noise = generator(seed, "statistics")

    def uniform(like: Tensor, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(like.shape, generator=noise, dtype=torch.float64)

    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, nn.BatchNorm2d):
                assert layer.running_mean is not None and layer.running_var is not None
                layer.bias.copy_(uniform(layer.bias, -1.0, 1.0))
                layer.running_mean.copy_(uniform(layer.running_mean, -1.0, 1.0))
                # Down to far below eps, where a rule that forgets eps is most wrong.
                layer.running_var.copy_(10 ** uniform(layer.running_var, -7.0, 1.0))
                # So that no channel is amplified by more than 1.5, and single precision has room.
                gain = uniform(layer.weight, -1.5, 1.5)
                layer.weight.copy_(gain * (layer.running_var + layer.eps).sqrt())
                layer.running_mean.mul_((layer.running_var + layer.eps).sqrt())
    for block in net.blocks[depth:]:
        for module in block.modules():
            if isinstance(module, Residual):
                module.average = True
    return net.eval()


def difference(one: nn.Module, two: nn.Module, images: Tensor) -> float:
    """Largest difference of two networks' logits, over the largest logit."""
    with torch.no_grad():
        first, second = one(images), two(images)
    return float((first - second).abs().max() / first.abs().max().clamp_min(1.0))


@settings(max_examples=8, deadline=None, derandomize=True)
@given(name=st.sampled_from(sorted(LAST_MERGE)), share=st.floats(0, 1), seed=st.integers(0, 2**20))
def test_the_same_logits_from_sums_alone(name: str, share: float, seed: int) -> None:
    """In double precision the derivation is exact; in single it is as exact as the format."""
    depth = int(share * LAST_MERGE[name])
    net = drawn(name, depth, seed)
    assert net.arch.averaged_from == depth
    folded = fold_averages(net)
    images = batch(seed % 1000, 4)[0].double()
    assert folded.arch.averaged_from is None
    assert difference(net, folded, images) < 1e-9
    assert difference(net.float(), fold_averages(net), images.float()) < 1e-5


def test_sums_that_are_taken_for_averages_compute_something_else() -> None:
    """The oracle above can fail: without folding the logits differ by far."""
    net = drawn("resnet18", 2, 0)
    plain = copy.deepcopy(net)
    for module in plain.modules():
        if isinstance(module, Residual):
            module.average = False
    assert difference(net, plain, batch()[0].double()) > 1e-2


@pytest.mark.parametrize("name", ["tiny", "wrn-16-2"])
def test_a_student_of_neft(name: str) -> None:
    net = network(name)
    _, upper = net.split(2)
    apply_nonexpansive(upper, 0.4)
    train(net, 3)
    bake(upper)
    net.eval()
    assert difference(net, fold_averages(net), batch(5)[0]) < 1e-5


def test_the_network_itself_stays_as_it_was() -> None:
    net = drawn("wrn-16-2", 1, 3)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    fold_averages(net)
    assert net.arch.averaged_from == 1
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_a_network_without_averages_keeps_its_bits() -> None:
    net = network("resnet18").eval()
    folded = fold_averages(net)
    pairs = zip(net.state_dict().values(), folded.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("name", ["wrn-16-2", "resnet18"])
def test_statistics_of_a_batch_scale_alike(name: str) -> None:
    """Whoever trains on from the folded network meets the same function, up to eps."""
    net = drawn(name, 1, 4)
    folded = fold_averages(net)
    images = batch(1, 16)[0].double()
    assert difference(net.train(), folded.train(), images) < 1e-3


def test_what_cannot_be_folded_is_named() -> None:
    net = drawn("resnet18", 1, 0)
    for module in net.modules():
        if isinstance(module, Residual):
            module.after = nn.SiLU()
    with pytest.raises(FoldRefused, match="SiLU"):
        fold_averages(net)


def test_a_smooth_activation_behind_a_batch_norm_can_be_folded() -> None:
    """Of a pre-activation network only batch norms read the stream."""
    net = drawn("wrn-16-2", 1, 0)
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.LeakyReLU):
                setattr(module, name, nn.SiLU())
    assert difference(net, fold_averages(net), batch()[0].double()) < 1e-9
