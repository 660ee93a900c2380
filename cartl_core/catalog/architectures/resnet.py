"""ResNet-18, 34 and 50 (He et al., CVPR 2016, arXiv 1512.03385) for small images.

The stem is a 3x3 convolution with its batch norm and ReLU, and no max-pooling. Four groups of 64,
128, 256 and 512 channels (four times that out of a bottleneck), the last three starting with stride
2, which a bottleneck has in its 3x3 convolution. Blocks for splitting: the residual ones, the last
closed by global pooling, then the head.
"""

from __future__ import annotations

from collections.abc import Callable

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
)
from cartl_core.spec.data_and_model import ModelSpec

STEM_WIDTH = 64
GROUP_WIDTHS = (64, 128, 256, 512)
GROUP_STRIDES = (1, 2, 2, 2)
EXPANSION = 4


def _layout(model: ModelSpec, classes: int) -> Layout:
    counts, branch, expansion = SIZES[model.name]
    stem = Sequential.of(**_conv_norm("", model.channels, STEM_WIDTH, 3, model.stem_stride), act=Relu())
    blocks: list[Layer] = []
    inputs = STEM_WIDTH
    for count, width, group_stride in zip(counts, GROUP_WIDTHS, GROUP_STRIDES, strict=True):
        for position in range(count):
            stride = group_stride if position == 0 else 1
            outputs = width * expansion
            blocks.append(
                Residual(
                    branch=branch(inputs, width, stride),
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


def _bottleneck(inputs: int, width: int, stride: int) -> Sequential:
    return Sequential.of(
        **_conv_norm("1", inputs, width, 1, 1),
        act1=Relu(),
        **_conv_norm("2", width, width, 3, stride),
        act2=Relu(),
        **_conv_norm("3", width, width * EXPANSION, 1, 1),
    )


def _shortcut(inputs: int, outputs: int, stride: int) -> Layer | None:
    """A projection where the shape changes, else None: the identity."""
    if inputs == outputs and stride == 1:
        return None
    return Sequential.of(**_conv_norm("", inputs, outputs, 1, stride))


def _conv_norm(suffix: str, inputs: int, outputs: int, size: int, stride: int) -> dict[str, Layer]:
    return {f"conv{suffix}": Conv(inputs, outputs, size, stride), f"norm{suffix}": BatchNorm(outputs)}


Branch = Callable[[int, int, int], Sequential]
SIZES: dict[str, tuple[tuple[int, ...], Branch, int]] = {
    "resnet18": ((2, 2, 2, 2), _basic, 1),
    "resnet34": ((3, 4, 6, 3), _basic, 1),
    "resnet50": ((3, 4, 6, 3), _bottleneck, EXPANSION),
}

FAMILY = Family(name="resnet", names=tuple(SIZES), layout=_layout)
