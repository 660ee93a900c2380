"""Networks by name: the catalog's tree of layers becomes modules, with the same names in the same order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from cartl_core.catalog.architectures import layers
from cartl_core.catalog.networks import layout_of
from cartl_core.nn.network import GlobalPool, Network, Normalize, Residual, initialise
from cartl_core.nn.timm_modules import TOKEN_MODULES, fill_computed_buffers
from cartl_core.spec import ModelSpec
from cartl_core.spec.architecture import Architecture


def build_network(
    model: ModelSpec,
    classes: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    generator: torch.Generator,
) -> Network:
    """A freshly initialised network on the CPU; every random number comes from ``generator``.

    Args:
        model: family, size, input shape and stem stride.
        classes: outputs of the head.
        mean: per channel of an image in [0, 1]; one number for each of ``model.channels``.
        std: likewise.
        generator: a CPU generator; it is advanced, the global one is not touched.

    Raises:
        SpecError: the network's name is unknown.
        ValueError: mean or std do not have one number a channel.
    """
    network = uninitialised(Architecture(model=model, classes=classes, mean=mean, std=std))
    initialise(network, generator)
    return network


def uninitialised(arch: Architecture) -> Network:
    """The network of ``arch`` with unspecified parameters: for weights that are about to be loaded."""
    channels = arch.model.channels
    if len(arch.mean) != channels or len(arch.std) != channels:
        raise ValueError(f"mean and std need one number for each of {channels} channels")
    layout = layout_of(arch.model, arch.classes)
    # On the meta device the layers' own initialisation costs nothing and draws no random numbers.
    with torch.device("meta"):
        network = Network(arch, module_of(layout.stem), [module_of(block) for block in layout.blocks])
    network.to_empty(device="cpu")
    fill_computed_buffers(network)
    network.normalize = Normalize(arch.mean, arch.std)
    return network


def module_of(layer: layers.Layer) -> nn.Module:
    """The module of a layer of the catalog."""
    return MODULES[type(layer)](layer)


def _conv(layer: layers.Conv) -> nn.Conv2d:
    return nn.Conv2d(
        layer.inputs, layer.outputs, layer.size, stride=layer.stride, padding=layer.padding, bias=layer.bias
    )


def _sequential(layer: layers.Sequential) -> nn.Sequential:
    return nn.Sequential(OrderedDict((name, module_of(part)) for name, part in layer.parts))


def _residual(layer: layers.Residual) -> Residual:
    return Residual(
        branch=module_of(layer.branch),
        shortcut=None if layer.shortcut is None else module_of(layer.shortcut),
        before=None if layer.before is None else module_of(layer.before),
        after=None if layer.after is None else module_of(layer.after),
    )


# By class. Activations are not in place: the activated tensor's input is also a shortcut's.
MODULES: dict[type, Callable[[Any], nn.Module]] = {
    layers.Conv: _conv,
    layers.BatchNorm: lambda layer: nn.BatchNorm2d(layer.width),
    layers.Linear: lambda layer: nn.Linear(layer.inputs, layer.outputs),
    layers.Relu: lambda layer: nn.ReLU(),
    layers.LeakyRelu: lambda layer: nn.LeakyReLU(layer.slope),
    layers.Silu: lambda layer: nn.SiLU(),
    layers.ZeroPad: lambda layer: nn.ZeroPad2d((layer.left, layer.right, layer.top, layer.bottom)),
    layers.MaxPool: lambda layer: nn.MaxPool2d(layer.size, layer.stride, layer.pad),
    layers.GlobalPool: lambda layer: GlobalPool(),
    layers.Sequential: _sequential,
    layers.Residual: _residual,
    **TOKEN_MODULES,
}
