"""Common corruptions of images: eight functions, a row each in ``CORRUPTIONS``.

Images are (N, C, H, W) in [0, 1] on the CPU, one or three channels, and so is what comes out; inputs are
left as they are. ``corruption_facts`` has the source and the constants. What is random comes from (seed,
name, severity, position in the data set) alone, and no image's result depends on its batch.

Where we differ from the source: results are not rounded to 8 bits, except by JPEG and pixelation, whose
input is; fog is octaves of interpolated noise in place of a diamond-square plasma, fading as fast.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from math import exp

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from cartl_core.nn.rng import generator
from cartl_core.spec.measures.corruptions import CORRUPTION_FACTS, SEVERITIES, CorruptionName

Draw = Callable[[Callable[[torch.Generator], Tensor]], Tensor]
"""Calls a function with each image's own generator and stacks what it gives."""

Corruption = Callable[[Tensor, float, Draw], Tensor]
"""(images, constant of the severity, draw) -> images, perhaps beyond [0, 1]."""

NATIVE_SIDE = 32
"""Pixels a side of the images that the constants were made for."""

FADING = {0.2: 3.0, 0.5: 3.0, 0.75: 2.5, 1.0: 2.0, 1.5: 1.75}
"""Of fog, by its brightness: each octave is this many times weaker than the one before."""


def corrupt(
    images: Tensor, name: CorruptionName, severity: int, *, seed: int, indices: Tensor | list[int]
) -> Tensor:
    """One corruption of N images.

    Args:
        images: (N, C, H, W) in [0, 1] on the CPU, C = 1 or 3.
        severity: 1 to 5.
        seed: the job's seed.
        indices: (N,) positions of the images in their data set.

    Returns:
        (N, C, H, W) float32 in [0, 1].

    Raises:
        ValueError: there is no such corruption or severity.
    """
    if name not in CORRUPTIONS:
        raise ValueError(f"no corruption {name!r}; allowed: {', '.join(CORRUPTIONS)}")
    if severity not in SEVERITIES:
        raise ValueError(f"severity {severity}; allowed: {SEVERITIES[0]} to {SEVERITIES[-1]}")
    positions = indices.tolist() if isinstance(indices, Tensor) else indices

    def draw(one: Callable[[torch.Generator], Tensor]) -> Tensor:
        return torch.stack(
            [one(generator(seed, "corruption", name, severity, position)) for position in positions]
        )

    constant = CORRUPTION_FACTS[name].constants[severity - 1]
    return CORRUPTIONS[name](images.float().contiguous(), constant, draw).clamp(0.0, 1.0)


def _gaussian_noise(images: Tensor, deviation: float, draw: Draw) -> Tensor:
    return images + deviation * draw(lambda own: torch.randn(images.shape[1:], generator=own))


def _impulse_noise(images: Tensor, share: float, draw: Draw) -> Tensor:
    chance = draw(lambda own: torch.rand(images.shape[1:], generator=own))
    return images.masked_fill(chance < share / 2, 0.0).masked_fill(chance >= 1 - share / 2, 1.0)


def _gaussian_blur(images: Tensor, deviation: float, _: Draw) -> Tensor:
    """Rows, then columns; the border goes on as it is. Sums of shifted images, whose order is fixed."""
    deviation *= max(1.0, images.shape[-1] / NATIVE_SIDE)
    reach = int(4 * deviation + 0.5)
    weights = [exp(-(offset**2) / (2 * deviation**2)) for offset in range(-reach, reach + 1)]
    for axis, padding in ((3, (reach, reach, 0, 0)), (2, (0, 0, reach, reach))):
        padded, length = functional.pad(images, padding, mode="replicate"), images.shape[axis]
        shifted = [padded.narrow(axis, first, length) for first in range(len(weights))]
        images = torch.stack([w * part for w, part in zip(weights, shifted, strict=True)]).sum(0)
        images = images / sum(weights)
    return images


def _fog(images: Tensor, thickness: float, draw: Draw) -> Tensor:
    clouds = draw(lambda own: _clouds(images.shape[2:], FADING[thickness], own)).unsqueeze(1)
    brightest = images.amax((1, 2, 3), keepdim=True)
    return (images + thickness * clouds) * brightest / (brightest + thickness)


def _clouds(shape: torch.Size, fading: float, own: torch.Generator) -> Tensor:
    """(H, W) from 0 to 1: noise on grids of 2, 3, 5, 9... points a side, each finer one weaker."""
    whole, points, strength = torch.zeros(1, 1, *shape), 2, 1.0
    while points <= max(shape):
        grid = torch.rand(1, 1, points, points, generator=own)
        whole += strength * functional.interpolate(grid, shape, mode="bilinear", align_corners=True)
        points, strength = 2 * points - 1, strength / fading
    whole -= whole.min()
    return (whole / whole.max())[0, 0]


def _brightness(images: Tensor, added: float, _: Draw) -> Tensor:
    """Hue and saturation stay: all channels grow in the proportion in which the largest does."""
    value = images.amax(1, keepdim=True)
    brighter = (value + added).clamp(max=1.0)
    return torch.where(value > 0, images / value.clamp_min(1e-12) * brighter, brighter)


def _contrast(images: Tensor, kept: float, _: Draw) -> Tensor:
    means = images.mean((2, 3), keepdim=True)
    return (images - means) * kept + means


def _pixelate(images: Tensor, part: float, _: Draw) -> Tensor:
    def coarse(picture: Image.Image) -> Image.Image:
        width, height = picture.size
        small = (max(1, int(width * part)), max(1, int(height * part)))
        return picture.resize(small, Image.Resampling.BOX).resize((width, height), Image.Resampling.BOX)

    return _as_pictures(images, coarse)


def _jpeg(images: Tensor, quality: float, _: Draw) -> Tensor:
    def squeezed(picture: Image.Image) -> Image.Image:
        file = BytesIO()
        picture.save(file, "JPEG", quality=int(quality))
        return Image.open(file)

    return _as_pictures(images, squeezed)


def _as_pictures(images: Tensor, change: Callable[[Image.Image], Image.Image]) -> Tensor:
    """Each image as a picture of 8 bits a channel, changed, and back."""
    bytes_ = (images * 255).round().byte().permute(0, 2, 3, 1).numpy()
    grey = images.shape[1] == 1
    pictures = [Image.fromarray(picture[:, :, 0] if grey else picture) for picture in bytes_]
    changed = np.stack([np.asarray(change(picture)) for picture in pictures])
    back = torch.from_numpy(changed).float() / 255
    return back.unsqueeze(1) if grey else back.permute(0, 3, 1, 2)


CORRUPTIONS: dict[CorruptionName, Corruption] = {
    "gaussian_noise": _gaussian_noise,
    "impulse_noise": _impulse_noise,
    "gaussian_blur": _gaussian_blur,
    "fog": _fog,
    "brightness": _brightness,
    "contrast": _contrast,
    "pixelate": _pixelate,
    "jpeg": _jpeg,
}
