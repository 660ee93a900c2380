"""RobustBench's DMWideResNet, DeepMind's: the blocks of ``wrn``, padded as TensorFlow pads.

``dm-wrn-D-W`` has SiLU, which RobustBench gives every network of that class; ``dm-wrn-D-W-relu`` has the
class's own default. A convolution of stride 2 is padded as "SAME" does: nothing on the left and the top, one
pixel on the right and the bottom. No name and no shape of a tensor tells paddings or activations apart.
"""

from __future__ import annotations

import re

from cartl_core.catalog.architectures.family import Family, Layout
from cartl_core.catalog.architectures.layers import Conv, Relu, Sequential, Silu, ZeroPad
from cartl_core.catalog.architectures.wrn import is_size, wide_resnet
from cartl_core.spec.data_and_model import ModelSpec

NAME = re.compile(r"dm-wrn-([1-9]\d{0,2})-([1-9]\d?)(-relu)?", re.ASCII)


def padded_as_same(inputs: int, outputs: int, stride: int) -> Sequential:
    """A 3x3 convolution of stride 1 or 2, padded as TensorFlow's "SAME" pads images of even sides."""
    first = 1 if stride == 1 else 0
    return Sequential.of(
        pad=ZeroPad(left=first, right=1, top=first, bottom=1), conv=Conv(inputs, outputs, 3, stride, pad=0)
    )


def _knows(name: str) -> bool:
    match = NAME.fullmatch(name)
    return match is not None and is_size(int(match[1]), int(match[2]))


def _layout(model: ModelSpec, classes: int) -> Layout:
    match = NAME.fullmatch(model.name)
    assert match is not None
    return wide_resnet(
        model,
        int(match[1]),
        int(match[2]),
        classes,
        activation=Relu() if match[3] else Silu(),
        first=padded_as_same,
    )


FAMILY = Family(
    name="dm-wrn",
    names=("dm-wrn-28-10", "dm-wrn-70-16"),
    layout=_layout,
    knows=_knows,
    others="dm-wrn-D-W and dm-wrn-D-W-relu with D = 6n + 4 from 10 to 100 and W from 1 to 20",
    published=True,
)
