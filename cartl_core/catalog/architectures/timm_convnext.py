"""ConvNeXt (Liu et al., CVPR 2022), as timm has it under these names.

The stem is a 4x4 convolution of stride 4 with its norm; each block of a stage is a block, the first of a
later stage with the convolution of stride 2 before it; then [pooling, norm], then the head.
"""

from __future__ import annotations

from cartl_core.catalog.architectures.family import Family, Layout
from cartl_core.catalog.architectures.layers import Conv, GlobalPool, Layer, Linear, Sequential
from cartl_core.catalog.architectures.token_layers import ChannelNorm, ConvNextBlock, FeatureNorm
from cartl_core.errors import SpecError
from cartl_core.spec.data_and_model import ModelSpec

STEM_STRIDE = 4
SMALLEST = 32

CONVNEXT_SIZES: dict[str, tuple[int, tuple[int, ...]]] = {
    "timm-convnext_tiny": (96, (3, 3, 9, 3)),
    "timm-convnext_small": (96, (3, 3, 27, 3)),
    "timm-convnext_base": (128, (3, 3, 27, 3)),
    "timm-convnext_large": (192, (3, 3, 27, 3)),
}
"""Width of the first stage, doubled by each other, and blocks of each stage."""


def _layout(model: ModelSpec, classes: int) -> Layout:
    width, counts = CONVNEXT_SIZES[model.name]
    if model.image_size < SMALLEST:
        raise SpecError(
            "model.image_size",
            f"{model.name} takes no images of {model.image_size} pixels",
            allowed=f"{SMALLEST} or more",
        )
    stem = Sequential.of(
        conv=Conv(model.channels, width, STEM_STRIDE, STEM_STRIDE, pad=0, bias=True), norm=ChannelNorm(width)
    )
    blocks: list[Layer] = []
    for stage, count in enumerate(counts):
        halving: dict[str, Layer] = {}
        if stage > 0:
            halving = {
                "downsample": Sequential.of(
                    norm=ChannelNorm(width), conv=Conv(width, 2 * width, 2, 2, pad=0, bias=True)
                )
            }
            width *= 2
        blocks.append(Sequential.of(**halving, block=ConvNextBlock(width)))
        blocks += [Sequential.of(block=ConvNextBlock(width))] * (count - 1)
    closing = Sequential.of(pool=GlobalPool(), norm=FeatureNorm(width))
    return Layout(stem, (*blocks, closing, Linear(width, classes)))


FAMILY = Family(
    name="timm-convnext", names=tuple(CONVNEXT_SIZES), layout=_layout, published=True, batch_norm=False
)
