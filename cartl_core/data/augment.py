"""Augmentation of a batch: crops, flips and rotations, every image with its own draw.

As in Chen et al.'s published code for CIFAR (torchvision's RandomCrop(32, padding=4),
RandomHorizontalFlip and RandomRotation(15), with their defaults: black corners, nearest pixel), but
on whole batches and from an explicit generator. The padding is an eighth of the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from cartl_core.spec import Augmentation

PADDING_SHARE = 8
DEGREES = 15.0

Step = Callable[[Tensor, torch.Generator], Tensor]


def augment(images: Tensor, kind: Augmentation, generator: torch.Generator) -> Tensor:
    """A randomly altered copy of ``images``; ``none`` gives them back as they are.

    Args:
        images: (N, C, H, W) in [0, 1], on any device.
        kind: which alterations.
        generator: a CPU generator; equal states give equal results on every device.

    Returns:
        (N, C, H, W) in [0, 1].
    """
    for step in STEPS[kind]:
        images = step(images, generator)
    return images


def crop(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each image by up to H / 8 pixels either way in both directions; black comes in."""
    count, _, height, width = images.shape
    margin = height // PADDING_SHARE
    offsets = torch.randint(0, 2 * margin + 1, (2, count, 1), generator=generator).to(images.device)
    padded = functional.pad(images, (margin,) * 4)
    rows = offsets[0] + torch.arange(height, device=images.device)
    columns = offsets[1] + torch.arange(width, device=images.device)
    image = torch.arange(count, device=images.device)
    # Indexed dimensions come first: (N, H, W, C).
    return padded[image[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image left to right with probability one half."""
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(mirrored.to(images.device)[:, None, None, None], images.flip(3), images)


def rotate(images: Tensor, generator: torch.Generator) -> Tensor:
    """Turn each image about its centre by up to 15 degrees either way; corners are black."""
    draws = torch.rand(len(images), generator=generator) * 2 - 1
    return rotated(images, draws * math.radians(DEGREES))


def rotated(images: Tensor, angles: Tensor) -> Tensor:
    """``images`` (N, C, H, W), each turned by its angle (N,) in radians, to the nearest pixel."""
    cosine, sine = angles.cos(), angles.sin()
    nothing = torch.zeros_like(angles)
    turns = torch.stack(
        [torch.stack([cosine, -sine, nothing], 1), torch.stack([sine, cosine, nothing], 1)], dim=1
    )
    grid = functional.affine_grid(turns.to(images), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="nearest", padding_mode="zeros", align_corners=False)


STEPS: dict[Augmentation, tuple[Step, ...]] = {
    "none": (),
    "crop_flip": (crop, flip),
    "crop_flip_rotate": (crop, flip, rotate),
}
