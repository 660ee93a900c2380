"""What a job takes over from a data set where its request says nothing."""

from __future__ import annotations

from typing import Literal

from cartl_core.spec.resources.dataset import DatasetDefaults

IMAGE_SIZES = (8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 192, 224)
"""Pixels. Larger inputs, to 384, are taken where a request asks: published networks stop at 224, and the cost
of a step grows with the square."""
LARGE = 128
"""Input size, pixels, from which on colour images are attacked at the smaller radius."""
GREY_EPS, COLOUR_EPS, LARGE_COLOUR_EPS = 0.1, 8 / 255, 4 / 255
STEPS_ACROSS = 4
"""A step of an attack is this part of its radius, as in the catalog's rows of colour images."""


def defaults_of(channels: Literal[1, 3], median_side: int) -> DatasetDefaults:
    """Defaults of a data set.

    Args:
        channels: 1 for grey.
        median_side: the shorter side of the median image, pixels; the input is not larger.
    """
    size = max((one for one in IMAGE_SIZES if one <= median_side), default=IMAGE_SIZES[0])
    eps = GREY_EPS if channels == 1 else LARGE_COLOUR_EPS if size >= LARGE else COLOUR_EPS
    return DatasetDefaults(
        image_size=size,
        train_eps=eps,
        eval_eps=eps,
        eval_step=eps / STEPS_ACROSS,
        augmentation="none" if channels == 1 else "crop_flip",
    )
