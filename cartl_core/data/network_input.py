"""From the pixels of a file to what a network sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cartl_core.data.image_set import StoredPixels
from cartl_core.data.splits import Pixels, PixelSource
from cartl_core.spec import ModelSpec

RESIZE_BATCH = 256
"""Images of the source's size that are floats at once."""


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """Images from ``pixels``, as ``network_input`` makes them: the ``ImageRows`` of data sets.

    Attributes:
        highest: the value of a white pixel.
        model: gives the size and the channels.
    """

    pixels: PixelSource
    highest: int
    model: ModelSpec

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, S, S)."""
        return self.model.channels, self.model.image_size, self.model.image_size

    def __call__(self, positions: Tensor) -> Tensor:
        """(n, C, S, S)."""
        return network_input(self.pixels[positions.numpy()], self.highest, self.model)

    def stored(self, positions: Tensor) -> StoredPixels | None:
        """Their bytes, where they are bytes of the network's size."""
        first = self.pixels[positions[:1].numpy()]
        if first.dtype != np.uint8 or first.shape[1:3] != (self.model.image_size,) * 2:
            return None
        pixels = torch.from_numpy(self.pixels[positions.numpy()]).permute(0, 3, 1, 2).contiguous()
        return StoredPixels(pixels, self.highest, self.model.channels)


def network_input(pixels: Pixels, highest: int, model: ModelSpec) -> Tensor:
    """Pixels (N, H, W, C) from 0 to ``highest`` as the network sees them: (N, C', S, S) in [0, 1].

    Resized bilinearly with antialiasing where the size differs; grey is repeated over the channels.
    """
    size = model.image_size
    images = torch.empty(len(pixels), pixels.shape[3], size, size)
    for start in range(0, len(pixels), RESIZE_BATCH):
        part = torch.from_numpy(pixels[start : start + RESIZE_BATCH]).permute(0, 3, 1, 2).float() / highest
        if part.shape[2:] != (size, size):
            part = functional.interpolate(part, (size, size), mode="bilinear", antialias=True).clamp(0, 1)
        images[start : start + RESIZE_BATCH] = part
    return images.repeat(1, model.channels // images.shape[1], 1, 1)
