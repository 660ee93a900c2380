"""Swin transformers (Liu et al., ICCV 2021), as timm has them under these names.

The stem makes a grid of tokens; each block of a stage is a block, the first of a later stage with the merging
before it; then [norm, pooling], then the head. Stochastic depth is left out: it draws random numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from cartl_core.catalog.architectures.family import Family, Layout
from cartl_core.catalog.architectures.layers import Layer, Linear, Sequential
from cartl_core.catalog.architectures.token_layers import (
    FeatureNorm,
    GridPool,
    PatchGrid,
    PatchMerging,
    SwinBlock,
)
from cartl_core.errors import SpecError
from cartl_core.spec.data_and_model import ModelSpec

PATCH = 4
WINDOW = 7
EPS = 1e-5


@dataclass(frozen=True)
class SwinSize:
    """Blocks and heads of each stage; ``width`` of the first, doubled by each other."""

    width: int
    blocks: tuple[int, ...]
    heads: tuple[int, ...]


SWIN_SIZES: dict[str, SwinSize] = {
    "timm-swin_tiny_patch4_window7_224": SwinSize(96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "timm-swin_small_patch4_window7_224": SwinSize(96, (2, 2, 18, 2), (3, 6, 12, 24)),
    "timm-swin_base_patch4_window7_224": SwinSize(128, (2, 2, 18, 2), (4, 8, 16, 32)),
    "timm-swin_large_patch4_window7_224": SwinSize(192, (2, 2, 18, 2), (6, 12, 24, 48)),
}


def _layout(model: ModelSpec, classes: int) -> Layout:
    size = SWIN_SIZES[model.name]
    if model.image_size % PATCH:
        raise SpecError(
            "model.image_size",
            f"{model.name} takes no images of {model.image_size} pixels",
            allowed=f"multiples of {PATCH}",
        )
    side, width = model.image_size // PATCH, size.width
    blocks: list[Layer] = []
    for stage, (count, heads) in enumerate(zip(size.blocks, size.heads, strict=True)):
        merging: dict[str, Layer] = {}
        if stage > 0:
            merging = {"downsample": PatchMerging(width)}
            side, width = -(-side // 2), 2 * width
        for position in range(count):
            block = SwinBlock(width, heads, side, WINDOW, shifted=position % 2 == 1)
            blocks.append(Sequential.of(**(merging if position == 0 else {}), block=block))
    closing = Sequential.of(norm=FeatureNorm(width, EPS), pool=GridPool())
    stem = PatchGrid(model.channels, size.width, PATCH, model.image_size)
    return Layout(stem, (*blocks, closing, Linear(width, classes)))


FAMILY = Family(name="timm-swin", names=tuple(SWIN_SIZES), layout=_layout, published=True, batch_norm=False)
