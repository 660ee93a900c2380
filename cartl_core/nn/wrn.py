"""Wide residual networks (Zagoruyko and Komodakis, BMVC 2016, arXiv 1605.07146).

WRN-D-W has D = 6n + 4: three groups of n pre-activation blocks, 16W, 32W and 64W channels wide, the
last two groups starting with stride 2. Activations are LeakyReLU(0.1), as in CARTL's published code.
Blocks for splitting: the 3n residual ones, then [batch norm, activation, pooling], then the head.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from cartl_core.catalog import ModelFacts
from cartl_core.nn.network import GlobalPool, Residual
from cartl_core.spec import ModelSpec

BASE_WIDTH = 16
TINY_BASE_WIDTH = 8
SLOPE = 0.1
GROUP_STRIDES = (1, 2, 2)


def layers(facts: ModelFacts, model: ModelSpec, classes: int) -> tuple[nn.Module, list[nn.Module]]:
    """Stem and blocks of the network that ``facts`` describe."""
    base = TINY_BASE_WIDTH if facts.name == "tiny" else BASE_WIDTH
    stem = _conv(model.channels, base, 3, model.stem_stride)
    blocks: list[nn.Module] = []
    width = base
    for group, stride in enumerate(GROUP_STRIDES):
        wider = base * facts.width * 2**group
        for position in range((facts.depth - 4) // 6):
            blocks.append(_block(width, wider, stride if position == 0 else 1))
            width = wider
    closing = nn.Sequential(OrderedDict(norm=nn.BatchNorm2d(width), act=_activation(), pool=GlobalPool()))
    return stem, [*blocks, closing, nn.Linear(width, classes)]


def _block(inputs: int, outputs: int, stride: int) -> Residual:
    """Norm, activation, convolution, twice. Where the shape changes, both paths see the activated input."""
    entry = OrderedDict[str, nn.Module](norm1=nn.BatchNorm2d(inputs), act1=_activation())
    rest = OrderedDict[str, nn.Module](
        conv1=_conv(inputs, outputs, 3, stride),
        norm2=nn.BatchNorm2d(outputs),
        act2=_activation(),
        conv2=_conv(outputs, outputs, 3, 1),
    )
    if inputs == outputs and stride == 1:
        return Residual(branch=nn.Sequential(OrderedDict(**entry, **rest)))
    return Residual(
        before=nn.Sequential(entry),
        branch=nn.Sequential(rest),
        shortcut=_conv(inputs, outputs, 1, stride),
    )


def _conv(inputs: int, outputs: int, size: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)


def _activation() -> nn.LeakyReLU:
    # Not in place: the activated tensor's input is also the shortcut's.
    return nn.LeakyReLU(SLOPE)
