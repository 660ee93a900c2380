"""Which network of the catalog has these shapes: depth and width, by names and shapes of another's file.

What is wrong in a file must not hide what it is, so each number is read off the first tensor that has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from math import isqrt

from cartl_core.catalog.architectures.resnet import STEM_WIDTH, Size
from cartl_core.catalog.architectures.timm_convnext import CONVNEXT_SIZES
from cartl_core.catalog.architectures.timm_swin import SWIN_SIZES
from cartl_core.catalog.architectures.timm_vit import VIT_SIZES
from cartl_core.catalog.layouts.file_layout import Shapes
from cartl_core.catalog.networks import model_facts
from cartl_core.errors import SpecError

IMAGENET_SIDE = 224
CIFAR_SIDE = 32

Axis = tuple[str, int, int]
"""A tensor's name, one of its axes, and how often the number that is looked for goes into it."""


def groups(shapes: Shapes, pattern: str) -> tuple[int, ...]:
    """How many positions each group has: ``pattern`` finds both numbers in a name."""
    found: dict[int, set[int]] = {}
    compiled = re.compile(pattern, re.ASCII)
    for name in shapes:
        if match := compiled.match(name):
            found.setdefault(int(match[1][:6]), set()).add(int(match[2][:6]))
    return tuple(len(found[group]) for group in sorted(found))


def number(shapes: Shapes, axes: Iterable[Axis]) -> int:
    """The first that is there and goes in without a rest; 0 where none does."""
    for name, axis, times in axes:
        shape = shapes.get(name, ())
        if axis < len(shape) and shape[axis] and shape[axis] % times == 0:
            return shape[axis] // times
    return 0


def _first_of(sizes: Mapping[str, Size], prefix: str) -> dict[Size, str]:
    named = {name: size for name, size in sizes.items() if name.startswith(prefix)}
    return {size: name for name, size in reversed(named.items())}


def resnet_size(known: Mapping[str, Size], prefix: str = "") -> Callable[[Shapes], str | None]:
    """Of a ResNet by groups, bottlenecks and their inner width."""
    by_size = _first_of(known, prefix)

    def size(shapes: Shapes) -> str | None:
        counts = groups(shapes, r"layer(\d+)\.(\d+)\.")
        bottleneck = sum(".conv3." in name for name in shapes) > sum(counts) / 2
        inner = number(shapes, [(f"layer1.{position}.conv2.weight", 0, STEM_WIDTH) for position in range(3)])
        return by_size.get(Size(counts, bottleneck, max(1, inner) if bottleneck else 1))

    return size


def wide_resnet_size(pattern: str, head: str, norm: str, name: str) -> Callable[[Shapes], str | None]:
    """Of a wide residual network: ``name`` is a template of ``depth`` and ``width``."""

    def size(shapes: Shapes) -> str | None:
        counts = groups(shapes, pattern)
        width = number(shapes, ((f"{head}.weight", 1, 64), (f"{norm}.weight", 0, 64)))
        told = name.format(depth=6 * max(counts, default=0) + 4, width=width)
        try:
            model_facts(told)
        except SpecError:
            return None
        return told

    return size


def vit_size(shapes: Shapes) -> str | None:
    """By width, patch and blocks: a DeiT is a ViT."""
    width = number(shapes, (("norm.weight", 0, 1), ("cls_token", 2, 1), ("patch_embed.proj.weight", 0, 1)))
    patch = number(shapes, (("patch_embed.proj.weight", 2, 1), ("patch_embed.proj.weight", 3, 1)))
    blocks = len({name.split(".")[1] for name in shapes if name.startswith("blocks.")})
    for name, size in VIT_SIZES.items():
        if (size.width, size.patch, size.blocks) == (width, patch, blocks):
            return name
    return None


def vit_side(shapes: Shapes) -> int:
    """By its positions, the class token's apart."""
    patches = max(0, number(shapes, (("pos_embed", 1, 1),)) - 1)
    patch = number(shapes, (("patch_embed.proj.weight", 2, 1),))
    side = isqrt(patches)
    return side * patch if patch and side and side * side == patches else IMAGENET_SIDE


def swin_size(shapes: Shapes) -> str | None:
    """By the first stage's width and the blocks of each stage."""
    width = number(shapes, (("patch_embed.proj.weight", 0, 1), ("norm.weight", 0, 8)))
    counts = groups(shapes, r"layers\.(\d+)\.blocks\.(\d+)\.")
    for name, size in SWIN_SIZES.items():
        if (size.width, size.blocks) == (width, counts):
            return name
    return None


def convnext_size(shapes: Shapes) -> str | None:
    """By the first stage's width and the blocks of each stage."""
    width = number(shapes, (("stem.0.weight", 0, 1), ("head.norm.weight", 0, 8)))
    counts = groups(shapes, r"stages\.(\d+)\.blocks\.(\d+)\.")
    for name, size in CONVNEXT_SIZES.items():
        if size == (width, counts):
            return name
    return None


def always(side: int) -> Callable[[Shapes], int]:
    """The side that the library's networks are trained at."""
    return lambda shapes: side
