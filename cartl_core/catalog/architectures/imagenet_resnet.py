"""ResNets of ImageNet, as torchvision and timm have them: the 7x7 stem of stride 2 and max-pooling.

The activation is ReLU, convolutions are padded by half their size, and a bottleneck's stride lies in its 3x3
convolution. Both libraries give the tensors the same names and compute the same; timm has more sizes.
"""

from __future__ import annotations

from cartl_core.catalog.architectures.family import Family, Layout
from cartl_core.catalog.architectures.resnet import SIZES, Size, large_stem, resnet
from cartl_core.spec.data_and_model import ModelSpec

LONG = Size((3, 4, 23, 3), bottleneck=True)
WIDE = Size((3, 4, 6, 3), bottleneck=True, widening=2)
IMAGENET_SIZES: dict[str, Size] = {
    **{f"torchvision-{name}": size for name, size in SIZES.items()},
    "torchvision-resnet101": LONG,
    "torchvision-wide_resnet50_2": WIDE,
    **{f"timm-{name}": size for name, size in SIZES.items()},
    "timm-resnet26": Size((2, 2, 2, 2), bottleneck=True),
    "timm-resnet101": LONG,
    "timm-wide_resnet50_2": WIDE,
}


def _layout(model: ModelSpec, classes: int) -> Layout:
    return resnet(IMAGENET_SIZES[model.name], large_stem(model), classes)


FAMILY = Family(name="imagenet-resnet", names=tuple(IMAGENET_SIZES), layout=_layout, published=True)
