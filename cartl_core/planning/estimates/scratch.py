"""Whether what a run keeps beside its results fits: displaced images, or the features made of them.

A student that learns from displaced features has, for each training image, its features and those of every
displaced copy; where these are too large, the displaced images themselves. Either is one large file while
the stage runs (``cartl_core.execution.scratch``), so a run that needs more than it may have is refused first.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from cartl_core.catalog.architectures.layers import Shape
from cartl_core.catalog.networks import layout_of
from cartl_core.errors import SpecError
from cartl_core.spec import Arm, ModelSpec

GIB = 2**30
DEFAULT_SCRATCH_BYTES = 64 * GIB
IMAGE_BYTES = 4
"""Of a number of an image."""
FEATURE_BYTES = {"fp32": 4, "fp16": 2}
ANY_CLASSES = 2
"""The head's outputs change no feature."""


def check_scratch(arms: Iterable[Arm], model: ModelSpec, *, images: int, limit_bytes: int) -> None:
    """Refuse students whose displaced inputs exceed ``limit_bytes``, as features and as images.

    Args:
        images: of the target's training split.

    Raises:
        SpecError: naming the field, and what fits.
    """
    for arm in arms:
        needed = displaced_bytes(arm, model)
        if images * needed > limit_bytes:
            raise SpecError(
                "dataset.train_limit",
                f"{arm.method} keeps {needed:,} bytes for each of {images:,} training images of "
                f"{model.image_size} x {model.image_size} pixels, together more than the "
                f"{limit_bytes:,} bytes of scratch space",
                allowed=f"at most {limit_bytes // needed:,} training images, fewer displacement.copies, a "
                "smaller model.image_size, or more scratch space (--scratch-bytes, CARTL_SCRATCH_BYTES)",
            )


def displaced_bytes(arm: Arm, model: ModelSpec) -> int:
    """What one training image takes at the least; 0 where nothing is displaced."""
    displacement = arm.transfer.displacement
    if displacement is None:
        return 0
    images = IMAGE_BYTES * displacement.copies * model.channels * model.image_size**2
    number = FEATURE_BYTES[arm.transfer.feature_precision]
    features = number * (1 + displacement.copies) * prod(features_shape(model, arm.freeze_depth))
    return min(images, features)


def features_shape(model: ModelSpec, freeze_depth: int) -> Shape:
    """What the first ``freeze_depth`` blocks make of one image, the stem before them.

    Raises:
        SpecError: the network is not known.
    """
    layout = layout_of(model, ANY_CLASSES)
    shape: Shape = (model.channels, model.image_size, model.image_size)
    for layer in (layout.stem, *layout.blocks[:freeze_depth]):
        shape = layer.passage(shape).shape
    return shape
