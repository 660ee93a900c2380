"""RobustBench's WideResNet, that of TRADES: the blocks of ``wrn`` with ReLU and a padding of 1."""

from __future__ import annotations

import re

from cartl_core.catalog.architectures.family import Family, Layout
from cartl_core.catalog.architectures.layers import Conv, Relu
from cartl_core.catalog.architectures.wrn import is_size, wide_resnet
from cartl_core.spec.data_and_model import ModelSpec

NAME = re.compile(r"wrn-([1-9]\d{0,2})-([1-9]\d?)-relu", re.ASCII)


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
        activation=Relu(),
        first=lambda inputs, outputs, stride: Conv(inputs, outputs, 3, stride),
    )


FAMILY = Family(
    name="relu-wrn",
    names=("wrn-28-10-relu", "wrn-34-10-relu"),
    layout=_layout,
    knows=_knows,
    others="wrn-D-W-relu with D = 6n + 4 from 10 to 100 and W from 1 to 20",
    published=True,
)
