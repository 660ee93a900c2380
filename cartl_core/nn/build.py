"""Networks by name. A family is one function: the catalog's facts in, stem and blocks out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from cartl_core.catalog import ModelFacts, model_facts
from cartl_core.nn import resnet, wrn
from cartl_core.nn.network import Network, Normalize, initialise
from cartl_core.spec import ModelSpec
from cartl_core.spec.architecture import Architecture

Layers = tuple[nn.Module, list[nn.Module]]
FAMILIES: dict[str, Callable[[ModelFacts, ModelSpec, int], Layers]] = {
    "wrn": wrn.layers,
    "resnet": resnet.layers,
}


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
    facts = model_facts(arch.model.name)
    # On the meta device the layers' own initialisation costs nothing and draws no random numbers.
    with torch.device("meta"):
        stem, blocks = FAMILIES[facts.family](facts, arch.model, arch.classes)
        network = Network(arch, stem, blocks)
    network.to_empty(device="cpu")
    network.normalize = Normalize(arch.mean, arch.std)
    return network
