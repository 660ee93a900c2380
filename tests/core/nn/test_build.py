"""Networks by name: their size, their shapes, and where their first values come from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cartl_core.catalog import KNOWN_MODELS, model_facts
from cartl_core.errors import SpecError
from cartl_core.nn.build import build_network, uninitialised
from cartl_core.nn.network import Network, Residual
from cartl_core.nn.rng import generator
from cartl_core.spec import ModelSpec
from cartl_core.spec.architecture import Architecture

GREY = (0.3,), (0.4,)


def build(model: ModelSpec, seed: int = 0) -> Network:
    mean, std = (part * model.channels for part in GREY)
    return build_network(model, 10, mean, std, generator(seed, "test"))


def empty(model: ModelSpec) -> Network:
    """The layers alone: large networks cost nothing then."""
    mean, std = (part * model.channels for part in GREY)
    return uninitialised(Architecture(model=model, classes=10, mean=mean, std=std))


@pytest.mark.parametrize("name", [*KNOWN_MODELS, "wrn-10-1", "wrn-40-1"])
def test_block_counts_are_the_catalogs(name: str) -> None:
    model = ModelSpec(name=name)
    network = empty(model)
    assert network.block_count == model_facts(name).blocks
    residuals = sum(isinstance(module, Residual) for module in network.modules())
    extra = 2 if model_facts(name).family == "wrn" else 1
    assert residuals == network.block_count - extra


# Zagoruyko and Komodakis, table 4 and their code: 36.5 M for WRN-28-10; torchvision's ResNet-18 and
# -50 have 11.69 M and 25.56 M with a 1000-way head and a 7x7 stem, which is 11.17 M and 23.52 M here.
@pytest.mark.parametrize(
    ("name", "millions"), [("wrn-28-10", 36.48), ("wrn-16-2", 0.69), ("resnet18", 11.17), ("resnet50", 23.52)]
)
def test_parameter_counts_are_the_published_ones(name: str, millions: float) -> None:
    network = empty(ModelSpec(name=name))
    assert sum(parameter.numel() for parameter in network.parameters()) / 1e6 == pytest.approx(
        millions, abs=0.006
    )


@pytest.mark.parametrize("name", ["tiny", "wrn-10-1", "resnet18", "resnet50"])
@pytest.mark.parametrize("size", [8, 28, 32])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_every_image_size_and_stem_stride_gives_logits(name: str, size: int, stride: int) -> None:
    for channels in (1, 3):
        model = ModelSpec.model_validate(
            {"name": name, "image_size": size, "stem_stride": stride, "channels": channels}
        )
        network = build(model).eval()
        with torch.no_grad():
            logits = network(torch.rand(2, channels, size, size))
        assert logits.shape == (2, 10)
        assert logits.isfinite().all()


@pytest.mark.parametrize("name", ["wrn-16-2", "resnet18"])
def test_stem_stride_shrinks_the_first_feature_map(name: str) -> None:
    x = torch.rand(1, 3, 32, 32)
    for stride in (1, 2, 4):
        lower, _ = build(ModelSpec(name=name, stem_stride=stride)).split(1)
        assert lower(x).shape[-2:] == (32 // stride, 32 // stride)


@pytest.mark.parametrize("name", ["tiny", "resnet18", "resnet50"])
def test_initial_values_are_a_function_of_the_generator_alone(name: str) -> None:
    model = ModelSpec(name=name)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    left = build(model)
    assert torch.equal(torch.get_rng_state(), before), "the global generator was touched"
    torch.manual_seed(6)
    right, other = build(model), build(model, seed=1)
    for (key, value), same in zip(left.state_dict().items(), right.state_dict().values(), strict=True):
        assert torch.equal(value, same), key
    assert not torch.equal(_first(left.stem), _first(other.stem))


def _first(module: nn.Module) -> torch.Tensor:
    result: torch.Tensor = next(iter(module.state_dict().values()))
    return result


def test_initial_values_have_the_stated_spread() -> None:
    network = build(ModelSpec(name="resnet18"))
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 10_000:
            expected = (2 / (layer.out_channels * layer.kernel_size[0] * layer.kernel_size[1])) ** 0.5
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.03), name
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            values = (
                layer.weight.mean(),
                layer.bias.mean(),
                layer.running_mean.mean(),
                layer.running_var.mean(),
            )
            assert tuple(value.item() for value in values) == (1, 0, 0, 1), name


def test_activations_are_those_of_the_paper() -> None:
    wide = {type(layer) for layer in build(ModelSpec(name="tiny")).modules()}
    plain = {type(layer) for layer in build(ModelSpec(name="resnet18")).modules()}
    assert nn.LeakyReLU in wide
    assert nn.ReLU not in wide
    assert nn.ReLU in plain
    assert nn.LeakyReLU not in plain
    slopes = [
        m.negative_slope for m in build(ModelSpec(name="tiny")).modules() if isinstance(m, nn.LeakyReLU)
    ]
    assert set(slopes) == {0.1}


@pytest.mark.parametrize("name", ["tiny", "resnet18"])
def test_channels_last_is_kept_and_gives_the_same_logits(name: str) -> None:
    network = build(ModelSpec(name=name, image_size=8)).eval()
    x = torch.rand(4, 3, 8, 8, generator=generator(0, "x"))
    usual = network(x)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fast = x.to(memory_format=torch.channels_last)
    assert network.stem(network.normalize(fast)).is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(network(fast), usual, atol=1e-4)


def test_gradients_reach_the_image_and_every_parameter() -> None:
    for name in ("tiny", "resnet50"):
        network = build(ModelSpec(name=name, image_size=8))
        x = torch.rand(4, 3, 8, 8, requires_grad=True)
        network(x).square().sum().backward()
        assert x.grad is not None
        assert x.grad.abs().sum() > 0
        assert all(parameter.grad is not None for parameter in network.parameters())


def test_an_unknown_network_lists_the_known_ones() -> None:
    with pytest.raises(SpecError, match="wrn-28-10"):
        build(ModelSpec(name="vgg16"))


def test_mean_and_std_need_one_number_a_channel() -> None:
    with pytest.raises(ValueError, match="each of 3 channels"):
        build_network(ModelSpec(name="tiny"), 10, (0.5,), (0.5,), generator(0, "test"))
