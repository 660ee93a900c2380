"""Augmentation of a batch: crops, flips and rotations, every image with its own draw.

As in Chen et al.'s published code for CIFAR (torchvision's RandomCrop(32, padding=4),
RandomHorizontalFlip and RandomRotation(15), with their defaults: black corners, nearest pixel), but
on whole batches and from an explicit generator. The padding is an eighth of the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from cartl_core.spec import Augmentation

PADDING_SHARE = 8
DEGREES = 15.0

Draws = tuple[Tensor, ...]
"""What was drawn for N images: of each alteration in turn, (N, ...)."""


@dataclass(frozen=True)
class Alteration:
    """One kind of change to images (N, C, H, W).

    Attributes:
        draw: numbers of images, and the height of each, to what is drawn for them (N, ...).
        apply: images and what was drawn for them to the changed images.
    """

    draw: Callable[[int, int, torch.Generator], Tensor]
    apply: Callable[[Tensor, Tensor], Tensor]


def augment(images: Tensor, kind: Augmentation, generator: torch.Generator) -> Tensor:
    """A randomly altered copy of ``images``; ``none`` gives them back as they are.

    Args:
        images: (N, C, H, W), floats in [0, 1] or bytes, on any device.
        kind: which alterations. Pixels are moved and black ones come in, and none is computed, so bytes
            that become floats afterwards give the same as before.
        generator: a CPU generator; equal states give equal results on every device.

    Returns:
        (N, C, H, W) of the same type.
    """
    if kind == "none":
        # Features of any shape, too.
        return images
    return altered(images, kind, draws(kind, len(images), images.shape[2], generator))


def draws(kind: Augmentation, count: int, height: int, generator: torch.Generator) -> Draws:
    """What ``augment`` draws for ``count`` images of so many rows."""
    return tuple(step.draw(count, height, generator) for step in ALTERATIONS[kind])


def altered(images: Tensor, kind: Augmentation, drawn: Draws) -> Tensor:
    """``images`` (N, C, H, W) altered by what was ``drawn`` for each of them."""
    for step, numbers in zip(ALTERATIONS[kind], drawn, strict=True):
        images = step.apply(images, numbers)
    return images


def cropped(images: Tensor, offsets: Tensor) -> Tensor:
    """``images`` (N, C, H, W) with a margin, of each the window at its offsets (N, 2), rows and columns."""
    count, _, height, width = images.shape
    margin = height // PADDING_SHARE
    offsets = offsets.to(images.device)
    padded = functional.pad(images, (margin,) * 4)
    rows = offsets[:, :1] + torch.arange(height, device=images.device)
    columns = offsets[:, 1:] + torch.arange(width, device=images.device)
    image = torch.arange(count, device=images.device)
    # Indexed dimensions come first: (N, H, W, C).
    return padded[image[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def flipped(images: Tensor, mirrored: Tensor) -> Tensor:
    """``images`` (N, C, H, W), mirrored left to right where ``mirrored`` (N,) is true."""
    return torch.where(mirrored.to(images.device)[:, None, None, None], images.flip(3), images)


def rotated(images: Tensor, angles: Tensor) -> Tensor:
    """``images`` (N, C, H, W), each turned by its angle (N,) in radians, to the nearest pixel."""
    cosine, sine = angles.cos(), angles.sin()
    nothing = torch.zeros_like(angles)
    turns = torch.stack(
        [torch.stack([cosine, -sine, nothing], 1), torch.stack([sine, cosine, nothing], 1)], dim=1
    )
    # Bytes are sampled as floats, and no pixel is mixed with another.
    pixels = images if images.is_floating_point() else images.float()
    grid = functional.affine_grid(turns.to(pixels), list(images.shape), align_corners=False)
    turned = functional.grid_sample(pixels, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return turned.to(images.dtype)


def _offsets(count: int, height: int, generator: torch.Generator) -> Tensor:
    """(N, 2): up to H / 8 pixels either way in both directions; black comes in."""
    highest = 2 * (height // PADDING_SHARE)
    return torch.randint(0, highest + 1, (2, count), generator=generator).T


def _mirrored(count: int, height: int, generator: torch.Generator) -> Tensor:
    """(N,), true with probability one half."""
    return torch.rand(count, generator=generator) < 0.5


def _angles(count: int, height: int, generator: torch.Generator) -> Tensor:
    """(N,) in radians: up to 15 degrees either way; corners of what is turned are black."""
    return (torch.rand(count, generator=generator) * 2 - 1) * math.radians(DEGREES)


CROP, FLIP, ROTATE = (
    Alteration(_offsets, cropped),
    Alteration(_mirrored, flipped),
    Alteration(_angles, rotated),
)
ALTERATIONS: dict[Augmentation, tuple[Alteration, ...]] = {
    "none": (),
    "crop_flip": (CROP, FLIP),
    "crop_flip_rotate": (CROP, FLIP, ROTATE),
}
