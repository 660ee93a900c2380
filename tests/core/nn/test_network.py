"""Blocks: splitting shares modules and changes no bit; residual merges; a fresh head."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cartl_core.nn.build import build_network
from cartl_core.nn.network import Network, Residual
from cartl_core.nn.rng import generator
from cartl_core.spec import ModelSpec
from cartl_core.spec.architecture import Architecture

NAMES = ("tiny", "wrn-16-1", "resnet18", "resnet50")


def build(name: str, *, size: int = 8, stride: int = 2, channels: int = 3, classes: int = 4) -> Network:
    model = ModelSpec.model_validate(
        {"name": name, "image_size": size, "stem_stride": stride, "channels": channels}
    )
    mean, std = (0.4,) * channels, (0.25,) * channels
    return build_network(model, classes, mean, std, generator(0, "test"))


def images(size: int = 8, channels: int = 3, count: int = 3) -> torch.Tensor:
    return torch.rand(count, channels, size, size, generator=generator(1, "images"))


def live_statistics(network: Network) -> Network:
    """Running statistics away from their initial 0 and 1, so that a lost buffer would show."""
    network.train()
    with torch.no_grad():
        network(images(count=4))
    return network.eval()


def tensors(module: nn.Module) -> set[int]:
    return {id(tensor) for tensor in (*module.parameters(), *module.buffers())}


@pytest.mark.parametrize("name", NAMES)
def test_upper_of_lower_has_the_bits_of_the_network_at_every_depth(name: str) -> None:
    network, x = live_statistics(build(name)), images()
    with torch.no_grad():
        expected = network(x)
        for depth in range(network.block_count):
            lower, upper = network.split(depth)
            assert torch.equal(upper(lower(x)), expected), depth


@pytest.mark.parametrize("name", NAMES)
def test_in_train_mode_a_split_updates_the_same_statistics_to_the_same_bits(name: str) -> None:
    x = images(count=4)
    whole, halves = build(name).train(), build(name).train()
    lower, upper = halves.split(2)
    assert torch.equal(upper(lower(x)), whole(x))
    for (key, left), right in zip(whole.state_dict().items(), halves.state_dict().values(), strict=True):
        assert torch.equal(left, right), key


@pytest.mark.parametrize("name", NAMES)
def test_every_split_partitions_parameters_and_buffers_and_copies_none(name: str) -> None:
    network = build(name)
    everything = tensors(network)
    for depth in range(network.block_count):
        lower, upper = (tensors(half) for half in network.split(depth))
        assert not lower & upper
        assert lower | upper == everything


@pytest.mark.parametrize("name", NAMES)
def test_stem_and_normalisation_go_with_the_first_block(name: str) -> None:
    network = build(name)
    entry = tensors(network.normalize) | tensors(network.stem)
    assert tensors(network.split(0)[0]) == set()
    assert tensors(network.split(1)[0]) == entry | tensors(network.blocks[0])


@pytest.mark.parametrize("name", NAMES)
def test_the_blocks_partition_what_is_not_entry(name: str) -> None:
    network = build(name)
    parts = [
        tensors(network.normalize) | tensors(network.stem),
        *(tensors(block) for block in network.blocks),
    ]
    assert sum(len(part) for part in parts) == len(set.union(*parts))
    assert set.union(*parts) == tensors(network)


@pytest.mark.parametrize("depth", [-1, 5])
def test_a_split_out_of_range_says_the_range(depth: int) -> None:
    with pytest.raises(ValueError, match="allows 0 to 4"):
        build("tiny").split(depth)


def test_the_image_is_normalised_first() -> None:
    network = build("tiny")
    x = images()
    assert torch.allclose(network.normalize(x), (x - 0.4) / 0.25)


def test_penultimate_is_what_the_head_sees() -> None:
    network, x = live_statistics(build("resnet18")), images()
    features = network.penultimate(x)
    assert features.shape == (3, 512)
    assert torch.equal(network.head(features), network(x))


def test_a_residual_merge_is_a_sum_or_an_average() -> None:
    block = Residual(branch=nn.Conv2d(2, 2, 1), shortcut=nn.Conv2d(2, 2, 1), after=nn.ReLU())
    x = images(channels=2) - 0.5
    total = block.branch(x) + block.shortcut(x)
    assert torch.equal(block(x), total.relu())
    block.average = True
    assert torch.equal(block(x), (total / 2).relu())


def test_the_architecture_follows_averaged_blocks_and_gives_them_back() -> None:
    network = build("wrn-16-1")
    assert network.arch.averaged_from is None
    for block in network.split(3)[1].modules():
        if isinstance(block, Residual):
            block.average = True
    arch = network.arch
    assert arch.averaged_from == 3
    rebuilt = Network(arch, nn.Identity(), list(network.blocks))
    assert rebuilt.arch == arch
    assert Architecture.model_validate_json(arch.model_dump_json()) == arch


def test_an_architecture_that_no_index_describes_is_refused() -> None:
    network = build("wrn-16-1")
    first = network.blocks[0]
    assert isinstance(first, Residual)
    first.average = True
    with pytest.raises(ValueError, match="no single index"):
        _ = network.arch


def test_a_new_head_comes_from_the_generator_alone() -> None:
    left, right = build("tiny"), build("tiny")
    left.replace_head(7, generator(3, "head"))
    torch.rand(5)
    right.replace_head(7, generator(3, "head"))
    assert left.head.weight.shape == (7, 32)
    assert left.arch.classes == 7
    assert torch.equal(left.head.weight, right.head.weight)
    assert torch.equal(left.head.bias, right.head.bias)
    assert left(images()).shape == (3, 7)


def test_a_new_head_has_the_default_initialisation_not_a_uniform_of_zero_to_one() -> None:
    network = build("resnet18")
    network.replace_head(200, generator(3, "head"))
    bound = 512**-0.5
    weight = network.head.weight
    assert weight.abs().max() <= bound
    assert weight.min() < -0.9 * bound
    assert weight.max() > 0.9 * bound
    assert abs(weight.mean().item()) < 0.02 * bound
