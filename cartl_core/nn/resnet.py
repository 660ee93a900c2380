"""ResNet-18, 34 and 50 (He et al., CVPR 2016, arXiv 1512.03385) for small images.

The stem is a 3x3 convolution with its batch norm and ReLU, and no max-pooling. Four groups of 64,
128, 256 and 512 channels (four times that out of a bottleneck), the last three starting with stride
2, which a bottleneck has in its 3x3 convolution. Blocks for splitting: the residual ones, the last
closed by global pooling, then the head.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from cartl_core.catalog import ModelFacts
from cartl_core.nn.network import GlobalPool, Residual
from cartl_core.spec import ModelSpec

STEM_WIDTH = 64
GROUP_WIDTHS = (64, 128, 256, 512)
GROUP_STRIDES = (1, 2, 2, 2)
EXPANSION = 4


def layers(facts: ModelFacts, model: ModelSpec, classes: int) -> tuple[nn.Module, list[nn.Module]]:
    """Stem and blocks of the network that ``facts`` describe."""
    counts, branch, expansion = SIZES[facts.name]
    stem = nn.Sequential(
        OrderedDict(**_conv_norm("", model.channels, STEM_WIDTH, 3, model.stem_stride), act=nn.ReLU())
    )
    blocks: list[nn.Module] = []
    inputs = STEM_WIDTH
    for count, width, group_stride in zip(counts, GROUP_WIDTHS, GROUP_STRIDES, strict=True):
        for position in range(count):
            stride = group_stride if position == 0 else 1
            outputs = width * expansion
            blocks.append(
                Residual(
                    branch=branch(inputs, width, stride),
                    shortcut=_shortcut(inputs, outputs, stride),
                    after=nn.ReLU(),
                )
            )
            inputs = outputs
    blocks[-1] = nn.Sequential(OrderedDict(residual=blocks[-1], pool=GlobalPool()))
    return stem, [*blocks, nn.Linear(inputs, classes)]


def _basic(inputs: int, width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            **_conv_norm("1", inputs, width, 3, stride),
            act1=nn.ReLU(),
            **_conv_norm("2", width, width, 3, 1),
        )
    )


def _bottleneck(inputs: int, width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            **_conv_norm("1", inputs, width, 1, 1),
            act1=nn.ReLU(),
            **_conv_norm("2", width, width, 3, stride),
            act2=nn.ReLU(),
            **_conv_norm("3", width, width * EXPANSION, 1, 1),
        )
    )


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module | None:
    """A projection where the shape changes, else None: the identity."""
    if inputs == outputs and stride == 1:
        return None
    return nn.Sequential(OrderedDict(_conv_norm("", inputs, outputs, 1, stride)))


def _conv_norm(suffix: str, inputs: int, outputs: int, size: int, stride: int) -> dict[str, nn.Module]:
    conv = nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)
    return {f"conv{suffix}": conv, f"norm{suffix}": nn.BatchNorm2d(outputs)}


Branch = Callable[[int, int, int], nn.Sequential]
SIZES: dict[str, tuple[tuple[int, ...], Branch, int]] = {
    "resnet18": ((2, 2, 2, 2), _basic, 1),
    "resnet34": ((3, 4, 6, 3), _basic, 1),
    "resnet50": ((3, 4, 6, 3), _bottleneck, EXPANSION),
}
