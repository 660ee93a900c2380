"""Wide residual networks (Zagoruyko and Komodakis, BMVC 2016, arXiv 1605.07146).

WRN-D-W has D = 6n + 4: three groups of n pre-activation blocks, 16W, 32W and 64W channels wide, the
last two groups starting with stride 2. Activations are LeakyReLU(0.1), as in CARTL's published code.
Blocks for splitting: the 3n residual ones, then [batch norm, activation, pooling], then the head.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from cartl_core.catalog.architectures.family import Family, Layout
from cartl_core.catalog.architectures.layers import (
    BatchNorm,
    Conv,
    GlobalPool,
    Layer,
    LeakyRelu,
    Linear,
    Residual,
    Sequential,
)
from cartl_core.spec.data_and_model import ModelSpec

BASE_WIDTH = 16
TINY_BASE_WIDTH = 8
GROUP_STRIDES = (1, 2, 2)
ACTIVATION = LeakyRelu(0.1)
NAME = re.compile(r"wrn-([1-9]\d{0,2})-([1-9]\d?)", re.ASCII)


FirstConvolution = Callable[[int, int, int], Layer]
"""Of a residual block, by its inputs, outputs and stride."""


def is_size(depth: int, width: int) -> bool:
    """Whether there is such a network."""
    return 10 <= depth <= 100 and (depth - 4) % 6 == 0 and width <= 20


def wide_resnet(
    model: ModelSpec,
    depth: int,
    widening: int,
    classes: int,
    *,
    activation: Layer,
    first: FirstConvolution,
    base: int = BASE_WIDTH,
) -> Layout:
    """A wide residual network; ``base`` channels come out of the stem."""
    stem, width = Conv(model.channels, base, 3, model.stem_stride), base
    blocks: list[Layer] = []
    for group, group_stride in enumerate(GROUP_STRIDES):
        wider = base * widening * 2**group
        for position in range((depth - 4) // 6):
            stride = group_stride if position == 0 else 1
            blocks.append(_block(width, wider, stride, activation, first))
            width = wider
    closing = Sequential.of(norm=BatchNorm(width), act=activation, pool=GlobalPool())
    return Layout(stem, (*blocks, closing, Linear(width, classes)))


def _knows(name: str) -> bool:
    match = NAME.fullmatch(name)
    return match is not None and is_size(int(match[1]), int(match[2]))


def _layout(model: ModelSpec, classes: int) -> Layout:
    match = NAME.fullmatch(model.name)
    depth, widening = (int(match[1]), int(match[2])) if match else (10, 1)
    return wide_resnet(
        model,
        depth,
        widening,
        classes,
        activation=ACTIVATION,
        first=_convolution,
        base=BASE_WIDTH if match else TINY_BASE_WIDTH,
    )


def _convolution(inputs: int, outputs: int, stride: int) -> Conv:
    return Conv(inputs, outputs, 3, stride)


def _block(inputs: int, outputs: int, stride: int, activation: Layer, first: FirstConvolution) -> Residual:
    """Norm, activation, convolution, twice. Where the shape changes, both paths see the activated input."""
    entry = Sequential.of(norm1=BatchNorm(inputs), act1=activation)
    rest = Sequential.of(
        conv1=first(inputs, outputs, stride),
        norm2=BatchNorm(outputs),
        act2=activation,
        conv2=Conv(outputs, outputs, 3),
    )
    if inputs == outputs and stride == 1:
        return Residual(branch=Sequential(entry.parts + rest.parts))
    return Residual(before=entry, branch=rest, shortcut=Conv(inputs, outputs, 1, stride))


FAMILY = Family(
    name="wrn",
    names=("tiny", "wrn-16-2", "wrn-22-2", "wrn-28-4", "wrn-34-4", "wrn-28-10", "wrn-34-10"),
    layout=_layout,
    knows=_knows,
    others="wrn-D-W with D = 6n + 4 from 10 to 100 and W from 1 to 20",
)
