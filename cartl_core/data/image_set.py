"""Images as a network sees them, made batch by batch: nobody holds a data set as floats.

Shapes: N images (N, C, S, S), float32 in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cartl_core.execution.to_device import to_device

Key = int | slice | Tensor | NDArray[Any] | list[int] | list[bool]
"""A position, a slice, positions in any shape, or a mask (N,) of bool."""

INDEX_TYPES = (torch.bool, torch.int64, torch.int32, torch.int16, torch.int8)

BYTES = 256
"""Values that a byte has."""


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """Images as bytes, a quarter of the room of the floats that they stand for, on any device.

    Attributes:
        pixels: (n, c, S, S) uint8; c divides ``channels``.
        highest: the value of a white pixel.
        channels: of the floats.
    """

    pixels: Tensor
    highest: int
    channels: int

    @property
    def shape(self) -> torch.Size:
        """(n, C, S, S), of the floats."""
        count, _, height, width = self.pixels.shape
        return torch.Size((count, self.channels, height, width))

    def floats(self) -> Tensor:
        """(n, C, S, S) float32 in [0, 1], where the bytes are.

        They are looked up in a table that the host divides: another device rounds a quotient in its own way.
        """
        table = to_device(torch.arange(BYTES).float() / self.highest, self.pixels.device)
        return table[self.pixels.int()].repeat(1, self.channels // self.pixels.shape[1], 1, 1)


class ImageRows(Protocol):
    """Where images come from: arrays as files hold them, a pack, or floats in memory."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, S, S) of every image."""

    def __call__(self, positions: Tensor) -> Tensor:
        """The images at ``positions`` (n,), int64: (n, C, S, S), contiguous, and nobody else's memory."""

    def stored(self, positions: Tensor) -> StoredPixels | None:
        """The same images as bytes that give these floats; None: no bytes do."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """N images, of which those that are asked for are floats, for as long as somebody holds them.

    >>> images = ImageSet.of(torch.rand(5, 1, 8, 8))
    >>> images.shape, images[2].shape, images[1:3].shape, images[torch.tensor([4, 4, 0])].shape
    (torch.Size([5, 1, 8, 8]), torch.Size([1, 8, 8]), torch.Size([2, 1, 8, 8]), torch.Size([3, 1, 8, 8]))

    Attributes:
        rows: makes them.
        positions: (N,) int64, which of them are in the set, in the set's order.
    """

    rows: ImageRows
    positions: Tensor

    @classmethod
    def of(cls, images: Tensor) -> ImageSet:
        """Images (N, C, S, S) that are floats in memory already; they are not copied."""
        return cls(_InMemory(images), torch.arange(len(images)))

    @property
    def shape(self) -> torch.Size:
        """(N, C, S, S)."""
        return torch.Size((len(self.positions), *self.rows.shape))

    def __len__(self) -> int:
        return len(self.positions)

    def __repr__(self) -> str:
        """How many images of what shape."""
        return f"ImageSet({len(self)} images of {' x '.join(map(str, self.rows.shape))})"

    def __iter__(self) -> Iterator[Tensor]:
        """One image (C, S, S) after another."""
        return (self[position] for position in range(len(self)))

    def __getitem__(self, key: Key) -> Tensor:
        """The images that ``key`` names, as a tensor indexed by it would give them, in memory of their own.

        Raises:
            IndexError: there is no such image, or a mask is of another length.
            TypeError: it is an index of another kind; ``tensor()`` takes all.
        """
        chosen = self._chosen(key)
        images = self.rows(chosen.reshape(-1))
        return images.reshape(*chosen.shape, *self.rows.shape)

    def stored(self, positions: Tensor) -> StoredPixels | None:
        """The images at ``positions`` (n,) of this set as bytes, whose floats are ``self[positions]``.

        None: they are kept as floats, or in another size than the network's.
        """
        return self.rows.stored(self._chosen(positions))

    def subset(self, positions: Tensor) -> ImageSet:
        """The images at ``positions`` (n,) of this set, or where a mask (N,) is true; none is made yet."""
        return ImageSet(self.rows, self._chosen(positions))

    def tensor(self) -> Tensor:
        """All images at once: 4 bytes a number, 12 KiB an image of 3 x 32 x 32."""
        return self[:]

    def _chosen(self, key: Key) -> Tensor:
        if isinstance(key, int | np.integer | slice):
            return self.positions[key]
        index = key if isinstance(key, Tensor) else _as_index(key)
        if index is None or index.dtype not in INDEX_TYPES:
            kind = key.dtype if isinstance(key, Tensor | np.ndarray) else type(key).__name__
            raise TypeError(
                f"images are indexed by positions, a slice or a mask, not by {kind}; tensor() gives them all"
            )
        return self.positions[index.cpu()]


def _as_index(key: object) -> Tensor | None:
    """A list or an array of whole numbers or of truth values; a tuple would index dimensions."""
    if not isinstance(key, list | np.ndarray):
        return None
    values = np.asarray(key)
    if values.size == 0:
        return torch.empty(values.shape, dtype=torch.int64)
    return torch.from_numpy(values) if values.dtype.kind in "bi" else None


@dataclass(frozen=True, eq=False)
class _InMemory:
    """Floats that are there."""

    images: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def __call__(self, positions: Tensor) -> Tensor:
        return self.images[positions]

    def stored(self, positions: Tensor) -> None:
        """They are floats."""
