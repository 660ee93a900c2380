"""A network is described once: what is built has the tensors and shapes that the tree of layers says."""

from __future__ import annotations

import inspect

import pytest
import torch

from cartl_core.catalog import KNOWN_MODELS, OTHER_MODELS, PUBLISHED_MODELS, model_facts
from cartl_core.catalog.architectures import FAMILIES, Layout, layers, token_layers
from cartl_core.catalog.architectures.layers import Conv, Layer, Linear, Residual, Sequential
from cartl_core.catalog.networks import layout_of
from cartl_core.nn.build import MODULES, module_of, uninitialised
from cartl_core.nn.lipschitz import RULES
from cartl_core.spec import ModelSpec
from cartl_core.spec.architecture import Architecture

NAMES = [*KNOWN_MODELS, "wrn-10-1", "wrn-40-2"]
DTYPES = {torch.float32: "F32", torch.int64: "I64"}
KINDS: tuple[type, ...] = tuple(
    kind
    for _, kind in inspect.getmembers(layers, inspect.isclass)
    if hasattr(kind, "passage") and kind is not Layer
)
TOKEN_KINDS = {
    kind
    for _, kind in inspect.getmembers(token_layers, inspect.isclass)
    if hasattr(kind, "passage") and kind.__module__ == token_layers.__name__
}
PUBLISHED = [
    *(name for name in PUBLISHED_MODELS if not name.endswith(("-10", "-16", "_large", "large_patch16_224"))),
    *("wrn-10-1-relu", "dm-wrn-16-2", "dm-wrn-10-1-relu"),
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_the_tensors_of_the_tree_are_those_of_the_network(name: str, channels: int) -> None:
    model = ModelSpec(name=name, channels=channels)  # type: ignore[arg-type]
    arch = Architecture(model=model, classes=7, mean=(0.5,) * channels, std=(0.5,) * channels)
    told = [
        (tensor.name, tensor.shape, tensor.dtype, tensor.trained)
        for tensor in layout_of(model, 7).tensors(arch)
    ]
    network = uninitialised(arch)
    trained = {key for key, _ in network.named_parameters()}
    assert told == [
        (key, tuple(value.shape), DTYPES[value.dtype], key in trained)
        for key, value in network.state_dict().items()
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_shapes_of_the_tree_are_those_of_the_network(name: str) -> None:
    for size, stride in ((8, 4), (28, 2), (33, 1)):
        model = ModelSpec(name=name, image_size=size, stem_stride=stride)  # type: ignore[arg-type]
        arch = Architecture(model=model, classes=7, mean=(0.5,) * 3, std=(0.5,) * 3)
        network, layout = uninitialised(arch).eval().to("meta"), layout_of(model, 7)
        x = network.stem(torch.zeros(1, 3, size, size, device="meta"))
        shape = layout.stem.passage((3, size, size)).shape
        for block, layer in zip(network.blocks, layout.blocks, strict=True):
            assert shape == tuple(x.shape[1:])
            x, shape = block(x), layer.passage(shape).shape
        assert shape == tuple(x.shape[1:]) == (7,)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_are_what_their_trees_say(name: str) -> None:
    """Tensors and shapes, at two sizes and in grey: blocks, block by block, of what is built."""
    for size, channels in ((64, 3), (224, 1)):
        model = ModelSpec.model_validate({"name": name, "image_size": size, "channels": channels})
        arch = Architecture(model=model, classes=7, mean=(0.5,) * channels, std=(0.5,) * channels)
        network, layout = uninitialised(arch), layout_of(model, 7)
        trained = {key for key, _ in network.named_parameters()}
        assert [
            (tensor.name, tensor.shape, tensor.dtype, tensor.trained) for tensor in layout.tensors(arch)
        ] == [
            (key, tuple(value.shape), DTYPES[value.dtype], key in trained)
            for key, value in network.state_dict().items()
        ]
        network.eval().to("meta")
        x = network.stem(torch.zeros(1, channels, size, size, device="meta"))
        shape = layout.stem.passage((channels, size, size)).shape
        for block, layer in zip(network.blocks, layout.blocks, strict=True):
            assert shape == tuple(x.shape[1:])
            x, shape = block(x), layer.passage(shape).shape
        assert shape == tuple(x.shape[1:]) == (7,)


def test_every_kind_of_layer_is_built_and_has_a_lipschitz_rule() -> None:
    assert set(KINDS) | TOKEN_KINDS == set(MODULES) and len(KINDS) >= 8 and len(TOKEN_KINDS) >= 8
    examples: tuple[Layer, ...] = (
        Conv(1, 1, 3),
        layers.BatchNorm(1),
        Linear(1, 1),
        layers.Relu(),
        layers.LeakyRelu(0.1),
        layers.Silu(),
        layers.ZeroPad(0, 1, 0, 1),
        layers.MaxPool(3, 2, 1),
        layers.GlobalPool(),
        Sequential.of(),
        Residual(branch=layers.Relu()),
    )
    assert {type(layer) for layer in examples} == set(KINDS)
    assert {type(module_of(layer)) for layer in examples} <= set(RULES)


def test_a_module_with_a_family_is_registered_and_no_name_is_claimed_twice() -> None:
    assert {name for name, family in FAMILIES.items() if not family.published} == {"wrn", "resnet"}
    assert len({*KNOWN_MODELS, *PUBLISHED_MODELS}) == len(KNOWN_MODELS) + len(PUBLISHED_MODELS)
    for name in (*NAMES, *PUBLISHED):
        claims = [family for family in FAMILIES.values() if name in family.names or family.knows(name)]
        assert [family.name for family in claims] == [model_facts(name).family]
    here = [family for family in FAMILIES.values() if not family.published]
    assert len(OTHER_MODELS) == sum(family.others is not None for family in here)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Conv(3, 4, 3), (2, 8, 8)),
        (Conv(3, 4, 3), (3,)),
        (Linear(4, 2), (4, 8, 8)),
        (Linear(4, 2), (5,)),
        (layers.BatchNorm(4), (3, 8, 8)),
        (layers.GlobalPool(), (3,)),
        (layers.MaxPool(3, 2, 1), (3,)),
        (Sequential.of(first=Conv(3, 4, 3), second=Conv(5, 4, 3)), (3, 8, 8)),
        (Residual(branch=Conv(3, 4, 3)), (3, 8, 8)),
        (Residual(branch=Conv(3, 3, 3, 2)), (3, 8, 8)),
    ],
)
def test_layers_that_do_not_fit_together_are_an_error(layer: Layer, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        layer.passage(shape)
    with pytest.raises((RuntimeError, ValueError, IndexError)):
        module_of(layer).eval()(torch.zeros(1, *shape))


def test_a_network_ends_with_its_linear_head() -> None:
    with pytest.raises(TypeError, match="linear head"):
        Layout(Conv(3, 4, 3), (Conv(4, 4, 3),))
