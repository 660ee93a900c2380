"""ResNet-18, 34 and 50 (He et al., CVPR 2016, arXiv 1512.03385) for small images.

The stem is a 3x3 convolution with its batch norm and ReLU, and no max-pooling. Four groups of 64,
128, 256 and 512 channels (four times that out of a bottleneck), the last three starting with stride
2, which a bottleneck has in its 3x3 convolution. Blocks for splitting: the residual ones, the last
closed by global pooling, then the head.
"""

from __future__ import annotations

from dataclasses import dataclass

from cartl_core.catalog.architectures.family import Family, Layout
from cartl_core.catalog.architectures.layers import (
    BatchNorm,
    Conv,
    GlobalPool,
    Layer,
    Linear,
    MaxPool,
    Relu,
    Residual,
    Sequential,
)
from cartl_core.spec.data_and_model import ModelSpec

STEM_WIDTH = 64
GROUP_WIDTHS = (64, 128, 256, 512)
GROUP_STRIDES = (1, 2, 2, 2)
EXPANSION = 4


@dataclass(frozen=True)
class Size:
    """Residual blocks of each group; ``widening`` is of a bottleneck's inner convolutions."""

    counts: tuple[int, ...]
    bottleneck: bool = False
    widening: int = 1


def small_stem(model: ModelSpec) -> Sequential:
    """A 3x3 convolution with its batch norm."""
    return Sequential.of(**_conv_norm("", model.channels, STEM_WIDTH, 3, model.stem_stride), act=Relu())


def large_stem(model: ModelSpec) -> Sequential:
    """That of ImageNet: a 7x7 convolution of stride 2 with its batch norm, then max-pooling of stride 2."""
    return Sequential.of(
        **_conv_norm("", model.channels, STEM_WIDTH, 7, 2), act=Relu(), pool=MaxPool(3, stride=2, pad=1)
    )


def resnet(size: Size, stem: Layer, classes: int) -> Layout:
    """A ResNet of ``size`` behind ``stem``."""
    blocks: list[Layer] = []
    inputs = STEM_WIDTH
    for count, width, group_stride in zip(size.counts, GROUP_WIDTHS, GROUP_STRIDES, strict=True):
        outputs = width * (EXPANSION if size.bottleneck else 1)
        for position in range(count):
            stride = group_stride if position == 0 else 1
            blocks.append(
                Residual(
                    branch=_bottleneck(inputs, width * size.widening, outputs, stride)
                    if size.bottleneck
                    else _basic(inputs, width, stride),
                    shortcut=_shortcut(inputs, outputs, stride),
                    after=Relu(),
                )
            )
            inputs = outputs
    blocks[-1] = Sequential.of(residual=blocks[-1], pool=GlobalPool())
    return Layout(stem, (*blocks, Linear(inputs, classes)))


def _basic(inputs: int, width: int, stride: int) -> Sequential:
    return Sequential.of(
        **_conv_norm("1", inputs, width, 3, stride),
        act1=Relu(),
        **_conv_norm("2", width, width, 3, 1),
    )


def _bottleneck(inputs: int, width: int, outputs: int, stride: int) -> Sequential:
    return Sequential.of(
        **_conv_norm("1", inputs, width, 1, 1),
        act1=Relu(),
        **_conv_norm("2", width, width, 3, stride),
        act2=Relu(),
        **_conv_norm("3", width, outputs, 1, 1),
    )


def _shortcut(inputs: int, outputs: int, stride: int) -> Layer | None:
    """A projection where the shape changes, else None: the identity."""
    if inputs == outputs and stride == 1:
        return None
    return Sequential.of(**_conv_norm("", inputs, outputs, 1, stride))


def _conv_norm(suffix: str, inputs: int, outputs: int, size: int, stride: int) -> dict[str, Layer]:
    return {f"conv{suffix}": Conv(inputs, outputs, size, stride), f"norm{suffix}": BatchNorm(outputs)}


SIZES: dict[str, Size] = {
    "resnet18": Size((2, 2, 2, 2)),
    "resnet34": Size((3, 4, 6, 3)),
    "resnet50": Size((3, 4, 6, 3), bottleneck=True),
}

FAMILY = Family(
    name="resnet",
    names=tuple(SIZES),
    layout=lambda model, classes: resnet(SIZES[model.name], small_stem(model), classes),
)
