"""How large the blocks of a network are, counted without building it: multiply-adds and parameters.

Read off the tree of layers that the network is built from; the stem counts with block 1. Convolutions, linear
layers and attention are counted for multiply-adds; norms too for parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from cartl_core.catalog.architectures.layers import Shape, parameters_of
from cartl_core.catalog.networks import layout_of
from cartl_core.spec.data_and_model import ModelSpec


@dataclass(frozen=True)
class Size:
    """``macs``: multiply-adds of one forward pass of one image; ``parameters``: trainable numbers."""

    macs: int = 0
    parameters: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(self.macs + other.macs, self.parameters + other.parameters)


@lru_cache(maxsize=256)
def block_sizes(model: ModelSpec, classes: int) -> tuple[Size, ...]:
    """One size a block, in order; the last is the head.

    Raises:
        SpecError: the network is not known.
    """
    layout = layout_of(model, classes)
    shape: Shape = (model.channels, model.image_size, model.image_size)
    sizes = []
    for layer in (layout.stem, *layout.blocks):
        passage = layer.passage(shape)
        sizes.append(Size(passage.macs, parameters_of(layer)))
        shape = passage.shape
    stem, first, *others = sizes
    return (stem + first, *others)


@lru_cache(maxsize=256)
def network_size(model: ModelSpec, classes: int) -> Size:
    """The whole network."""
    return sum(block_sizes(model, classes), Size())


@lru_cache(maxsize=1024)
def trunk_share(model: ModelSpec, classes: int, freeze_depth: int) -> float:
    """The share of a forward pass's multiply-adds that the first ``freeze_depth`` blocks have."""
    trunk = sum(block_sizes(model, classes)[:freeze_depth], Size())
    return trunk.macs / network_size(model, classes).macs
