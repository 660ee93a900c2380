"""Wide residual networks of RobustBench: its WideResNet, and its DMWideResNet (DeepMind's).

Both have the blocks of ``wrn``, with another activation. ``wrn-D-W-relu`` pads each 3x3 convolution by 1.
``dm-wrn-D-W`` has SiLU, which RobustBench gives every network of that class, and pads a convolution of
stride 2 as "SAME" does: nothing on the left and the top, one pixel on the right and the bottom.
``dm-wrn-D-W-relu`` is the same with the class's own default, ReLU. No name and no shape of a tensor tells
paddings or activations apart.
"""

from __future__ import annotations

import re

from cartl_core.catalog.architectures.family import Family, Layout
from cartl_core.catalog.architectures.layers import Conv, Layer, Relu, Sequential, Silu, ZeroPad
from cartl_core.catalog.architectures.wrn import is_size, wide_resnet
from cartl_core.spec.data_and_model import ModelSpec

NAME = re.compile(r"(?P<dm>dm-)?wrn-(?P<depth>[1-9]\d{0,2})-(?P<width>[1-9]\d?)(?P<relu>-relu)?", re.ASCII)


def padded_as_same(inputs: int, outputs: int, stride: int) -> Sequential:
    """A 3x3 convolution of stride 1 or 2, padded as TensorFlow's "SAME" pads images of even sides."""
    first = 1 if stride == 1 else 0
    return Sequential.of(
        pad=ZeroPad(left=first, right=1, top=first, bottom=1), conv=Conv(inputs, outputs, 3, stride, pad=0)
    )


def _padded_evenly(inputs: int, outputs: int, stride: int) -> Conv:
    return Conv(inputs, outputs, 3, stride)


def _knows(name: str) -> bool:
    match = NAME.fullmatch(name)
    # Without either it is one of ours, with LeakyReLU(0.1).
    return match is not None and bool(match["dm"] or match["relu"]) and is_size(*_size(match))


def _size(match: re.Match[str]) -> tuple[int, int]:
    return int(match["depth"]), int(match["width"])


def _layout(model: ModelSpec, classes: int) -> Layout:
    match = NAME.fullmatch(model.name)
    assert match is not None
    depth, width = _size(match)
    activation: Layer = Relu() if match["relu"] else Silu()
    convolution = padded_as_same if match["dm"] else _padded_evenly
    return wide_resnet(model, depth, width, classes, activation=activation, first=convolution)


FAMILY = Family(
    name="published-wrn",
    names=("wrn-28-10-relu", "wrn-34-10-relu", "dm-wrn-28-10", "dm-wrn-70-16"),
    layout=_layout,
    knows=_knows,
    others="wrn-D-W-relu, dm-wrn-D-W and dm-wrn-D-W-relu with D = 6n + 4 from 10 to 100 and W from 1 to 20",
    published=True,
)
