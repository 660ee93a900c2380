"""Images as they come: pixels go into the pack's file at once, and what is known of each stays here.

Grey images are kept with one channel until the first one with colour comes; then all get three.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cartl_core.data.incoming.reading.members import Stamp
from cartl_core.data.incoming.rejection import Rejected
from cartl_core.data.splits import pixel_digest
from cartl_core.spec.resources.dataset import SplitName

Bytes = NDArray[np.uint8]
COLOURS: Literal[3] = 3


@dataclass(frozen=True)
class Place:
    """Where an image belongs; ``split`` is None where the content does not say, ``order`` sorts its class."""

    split: SplitName | None
    label: int
    order: tuple[str | int, ...]


@dataclass(slots=True)
class Collected:
    """What is known of one image."""

    parts: tuple[str, ...]
    """Folders and name in the content; for arrays the array's name and the position."""
    height: int
    width: int
    offset: int
    """Where its pixels begin in the pack's file, if each had one channel."""
    digest: bytes
    """See ``pixel_digest``; of one channel while all images are grey."""
    colour_digest: bytes
    sums: tuple[int, ...]
    """Of the pixels of each channel; exact, so that the order in which images come does not matter."""
    squares: tuple[int, ...]
    grey: bool
    """Its channels are equal."""
    stamp: Stamp | None = None


@dataclass
class _Growth:
    """Bytes of the file, and how many are allowed."""

    most: int
    size: int = field(default=0)

    def to(self, size: int) -> None:
        if size > self.most:
            raise Rejected(
                "archive_too_large", f"its images have more than {self.most:,} bytes; allowed: as many"
            )
        self.size = size


class Collection:
    """All images of a content.

    Args:
        path: the file that pixels are written to; None keeps none of them.
        most_bytes: of that file.
    """

    def __init__(self, path: Path | None, most_bytes: int) -> None:
        self._file = path.open("w+b") if path else None
        self._growth = _Growth(most_bytes)
        self._colour = False
        self._pixels = 0
        self.images: list[Collected] = []

    def __enter__(self) -> Collection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    @property
    def channels(self) -> Literal[1, 3]:
        """1: no image has a colour."""
        return COLOURS if self._colour else 1

    def add(self, image: Bytes, parts: tuple[str, ...], stamp: Stamp | None = None) -> None:
        """Keep an image (H, W, C).

        Raises:
            Rejected: all together have more bytes than the limit.
        """
        grey = not has_colour(image)
        if not self._colour and not grey:
            self._expand()
        kept = _with_channels(image, self.channels)
        self._write(kept)
        sums, squares = sums_of(kept.reshape(-1, self.channels))
        self.images.append(
            Collected(
                parts=parts,
                height=image.shape[0],
                width=image.shape[1],
                offset=self._pixels,
                digest=b"" if self._colour else pixel_digest(kept),
                colour_digest=pixel_digest(_with_channels(image, COLOURS)),
                sums=sums,
                squares=squares,
                grey=grey,
                stamp=stamp,
            )
        )
        self._pixels += image.shape[0] * image.shape[1]

    def digest(self, image: Collected) -> bytes:
        """Of the pixels as they are kept in the end."""
        return image.colour_digest if self._colour else image.digest

    def offset(self, image: Collected) -> int:
        """Where its pixels begin in the end; 0 where none are kept."""
        return image.offset * self.channels if self._file else 0

    def _write(self, image: Bytes) -> None:
        if self._file:
            self._growth.to(self._growth.size + image.size)
            self._file.write(np.ascontiguousarray(image).data)

    def _expand(self) -> None:
        """Three channels for what was kept with one, from the last image to the first, in place."""
        self._colour = True
        for image in self.images:
            image.sums, image.squares = image.sums * COLOURS, image.squares * COLOURS
        if self._file is None:
            return
        self._growth.to(self._growth.size * COLOURS)
        for image in reversed(self.images):
            self._file.seek(image.offset)
            pixels = np.frombuffer(self._file.read(image.height * image.width), dtype=np.uint8)
            self._file.seek(image.offset * COLOURS)
            self._file.write(np.repeat(pixels, COLOURS).tobytes())
        self._file.seek(self._growth.size)


SQUARES = np.arange(256, dtype=np.int64) ** 2
PIXELS_AT_ONCE = 2**18
"""Sums need eight bytes for each value."""


def has_colour(image: Bytes) -> bool:
    """Whether the channels of an image (H, W, C) differ anywhere."""
    return image.shape[2] > 1 and bool(
        (image[..., 0] != image[..., 1]).any() or (image[..., 0] != image[..., 2]).any()
    )


def _with_channels(image: Bytes, channels: int) -> Bytes:
    if image.shape[2] == channels:
        return image
    return image[..., :1] if channels == 1 else np.repeat(image[..., :1], channels, axis=2)


def sums_of(pixels: Bytes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sums of the values and of their squares, for each channel of pixels (N, C)."""
    sums, squares = (np.zeros(pixels.shape[1], dtype=np.int64) for _ in range(2))
    for start in range(0, len(pixels), PIXELS_AT_ONCE):
        part = pixels[start : start + PIXELS_AT_ONCE]
        sums += part.sum(axis=0, dtype=np.int64)
        squares += SQUARES[part].sum(axis=0)
    return tuple(sums.tolist()), tuple(squares.tolist())
