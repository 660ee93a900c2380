"""How large a network is, counted without building it: multiply-adds and parameters, block by block.

Follows the shapes of cartl_core.nn.build (Zagoruyko and Komodakis 2016; He et al. 2016): the stem
counts with block 1. Convolutions and linear layers are counted for multiply-adds; norms too for
parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from cartl_core.catalog import ModelFacts, model_facts
from cartl_core.spec import ModelSpec

RESNET_COUNTS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
RESNET_WIDTHS = (64, 128, 256, 512)
EXPANSION = 4
WRN_STRIDES = (1, 2, 2)
RESNET_STRIDES = (1, 2, 2, 2)


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
    facts = model_facts(model.name)
    family = {"wrn": _wrn, "resnet": _resnet}[facts.family]
    return tuple(family(facts, model, classes))


@lru_cache(maxsize=256)
def network_size(model: ModelSpec, classes: int) -> Size:
    """The whole network."""
    return sum(block_sizes(model, classes), Size())


@lru_cache(maxsize=1024)
def trunk_share(model: ModelSpec, classes: int, freeze_depth: int) -> float:
    """The share of a forward pass's multiply-adds that the first ``freeze_depth`` blocks have."""
    trunk = sum(block_sizes(model, classes)[:freeze_depth], Size())
    return trunk.macs / network_size(model, classes).macs


def _wrn(facts: ModelFacts, model: ModelSpec, classes: int) -> Iterator[Size]:
    width = 8 if facts.name == "tiny" else 16
    side = _after(model.image_size, model.stem_stride)
    pending = _conv(model.channels, width, 3, side)
    base = width
    for group, group_stride in enumerate(WRN_STRIDES):
        wider = base * facts.width * 2**group
        for position in range((facts.depth - 4) // 6):
            stride = group_stride if position == 0 else 1
            side = _after(side, stride)
            block = _norm(width) + _conv(width, wider, 3, side) + _norm(wider) + _conv(wider, wider, 3, side)
            if width != wider or stride != 1:
                block += _conv(width, wider, 1, side)
            yield pending + block
            pending, width = Size(), wider
    yield _norm(width)
    yield _linear(width, classes)


def _resnet(facts: ModelFacts, model: ModelSpec, classes: int) -> Iterator[Size]:
    side = _after(model.image_size, model.stem_stride)
    width = RESNET_WIDTHS[0]
    pending = _conv(model.channels, width, 3, side) + _norm(width)
    bottleneck = facts.depth == 50
    shapes = zip(RESNET_COUNTS[facts.depth], RESNET_WIDTHS, RESNET_STRIDES, strict=True)
    for count, inner, group_stride in shapes:
        for position in range(count):
            stride = group_stride if position == 0 else 1
            before, side = side, _after(side, stride)
            outputs = inner * EXPANSION if bottleneck else inner
            block = _bottleneck(width, inner, before, side) if bottleneck else _basic(width, inner, side)
            if width != outputs or stride != 1:
                block += _conv(width, outputs, 1, side) + _norm(outputs)
            yield pending + block
            pending, width = Size(), outputs
    yield _linear(width, classes)


def _basic(inputs: int, width: int, side: int) -> Size:
    return _conv(inputs, width, 3, side) + _norm(width) + _conv(width, width, 3, side) + _norm(width)


def _bottleneck(inputs: int, width: int, before: int, side: int) -> Size:
    narrow = _conv(inputs, width, 1, before) + _norm(width)
    middle = _conv(width, width, 3, side) + _norm(width)
    return narrow + middle + _conv(width, width * EXPANSION, 1, side) + _norm(width * EXPANSION)


def _after(side: int, stride: int) -> int:
    """Height and width after a padded convolution."""
    return (side - 1) // stride + 1


def _conv(inputs: int, outputs: int, kernel: int, side: int) -> Size:
    """A convolution without bias onto ``side`` x ``side``."""
    weights = inputs * outputs * kernel * kernel
    return Size(weights * side * side, weights)


def _norm(width: int) -> Size:
    return Size(0, 2 * width)


def _linear(inputs: int, outputs: int) -> Size:
    return Size(inputs * outputs, inputs * outputs + outputs)
