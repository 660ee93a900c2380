"""RobustBench's DMPreActResNet-18 and -34: pre-activation residual networks, padded as DeepMind's code pads.

A block's activation stands before its convolutions, the shortcut sees the block's own input and is a 3x3
convolution, padded as the branch is (``dm_wrn``). The file does not tell the activation: it is in the
name, ``dm-preact-resnet18-silu`` or ``-relu``.
"""

from __future__ import annotations

from cartl_core.catalog.architectures.dm_wrn import padded_as_same
from cartl_core.catalog.architectures.family import Family, Layout
from cartl_core.catalog.architectures.layers import (
    BatchNorm,
    Conv,
    GlobalPool,
    Layer,
    Linear,
    Relu,
    Residual,
    Sequential,
    Silu,
)
from cartl_core.catalog.architectures.resnet import GROUP_STRIDES, GROUP_WIDTHS, SIZES, STEM_WIDTH
from cartl_core.spec.data_and_model import ModelSpec

ACTIVATIONS: dict[str, Layer] = {"silu": Silu(), "relu": Relu()}


def _layout(model: ModelSpec, classes: int) -> Layout:
    size, activation = SIZES_AND_ACTIVATIONS[model.name]
    blocks: list[Layer] = []
    inputs = STEM_WIDTH
    for count, width, group_stride in zip(size.counts, GROUP_WIDTHS, GROUP_STRIDES, strict=True):
        for position in range(count):
            blocks.append(_block(inputs, width, group_stride if position == 0 else 1, activation))
            inputs = width
    closing = Sequential.of(norm=BatchNorm(inputs), act=activation, pool=GlobalPool())
    return Layout(Conv(model.channels, STEM_WIDTH, 3), (*blocks, closing, Linear(inputs, classes)))


def _block(inputs: int, outputs: int, stride: int, activation: Layer) -> Residual:
    branch = Sequential.of(
        norm1=BatchNorm(inputs),
        act1=activation,
        conv1=padded_as_same(inputs, outputs, stride),
        norm2=BatchNorm(outputs),
        act2=activation,
        conv2=Conv(outputs, outputs, 3),
    )
    if inputs == outputs and stride == 1:
        return Residual(branch=branch)
    return Residual(branch=branch, shortcut=padded_as_same(inputs, outputs, stride))


SIZES_AND_ACTIVATIONS = {
    f"dm-preact-{size}-{name}": (SIZES[size], activation)
    for size in ("resnet18", "resnet34")
    for name, activation in ACTIVATIONS.items()
}

FAMILY = Family(name="dm-preact-resnet", names=tuple(SIZES_AND_ACTIVATIONS), layout=_layout, published=True)
