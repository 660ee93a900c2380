"""ViT (Dosovitskiy et al., ICLR 2021) and DeiT (Touvron et al., ICML 2021), by timm's names.

The stem makes the tokens; each block of the transformer is a block; then [norm, class token], then the head.
The input's side is a multiple of the patch.
"""

from __future__ import annotations

from dataclasses import dataclass

from cartl_core.catalog.architectures.family import Family, Layout
from cartl_core.catalog.architectures.layers import Linear, Sequential
from cartl_core.catalog.architectures.token_layers import ClassToken, FeatureNorm, PatchTokens, VitBlock
from cartl_core.errors import SpecError
from cartl_core.spec.data_and_model import ModelSpec


@dataclass(frozen=True)
class VitSize:
    """Blocks of so many numbers a token."""

    width: int
    heads: int
    blocks: int = 12
    patch: int = 16


VIT_SIZES: dict[str, VitSize] = {
    "timm-vit_tiny_patch16_224": VitSize(192, 3),
    "timm-vit_small_patch16_224": VitSize(384, 6),
    "timm-vit_base_patch16_224": VitSize(768, 12),
    "timm-vit_large_patch16_224": VitSize(1024, 16, blocks=24),
    "timm-vit_small_patch32_224": VitSize(384, 6, patch=32),
    "timm-vit_base_patch32_224": VitSize(768, 12, patch=32),
    "timm-deit_tiny_patch16_224": VitSize(192, 3),
    "timm-deit_small_patch16_224": VitSize(384, 6),
    "timm-deit_base_patch16_224": VitSize(768, 12),
}


def _layout(model: ModelSpec, classes: int) -> Layout:
    size = VIT_SIZES[model.name]
    if model.image_size % size.patch:
        raise SpecError(
            "model.image_size",
            f"{model.name} takes no images of {model.image_size} pixels",
            allowed=f"multiples of {size.patch}",
        )
    return Layout(
        PatchTokens(model.channels, size.width, size.patch, model.image_size),
        (
            *(VitBlock(size.width, size.heads) for _ in range(size.blocks)),
            Sequential.of(norm=FeatureNorm(size.width), token=ClassToken()),
            Linear(size.width, classes),
        ),
    )


FAMILY = Family(name="timm-vit", names=tuple(VIT_SIZES), layout=_layout, published=True, batch_norm=False)
