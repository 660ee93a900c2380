"""A pack: the images of a data set as bytes in one memory-mapped file, each at the size of its source.

A directory of three files. ``images.u8`` holds the pixels of one image after another, each (H, W, C) uint8,
in any order and with gaps where an image was left out.
``index.npz`` holds for each image where it begins, height, width, label, split and digest.
``found.json`` is a ``FoundDataset``. Written once, in a directory that is published whole, then only read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from cartl_core.data.splits import DIGEST_BYTES, pixel_digest
from cartl_core.errors import DatasetInvalid
from cartl_core.spec.resources.dataset import FoundDataset, SplitName

IMAGES, INDEX, FOUND = "images.u8", "index.npz", "found.json"
SPLITS: tuple[SplitName, ...] = ("train", "val", "test")
"""A split is stored as its position here."""


@dataclass(frozen=True, eq=False)
class PackIndex:
    """What is known of each of N images, in the order of the pack."""

    offset: NDArray[np.int64]
    """(N,), where its pixels begin, bytes."""
    height: NDArray[np.int32]
    width: NDArray[np.int32]
    label: NDArray[np.int32]
    split: NDArray[np.uint8]
    digest: NDArray[np.uint8]
    """(N, 16), see ``pixel_digest``."""

    def __len__(self) -> int:
        return len(self.offset)

    def write(self, directory: Path) -> None:
        """Into the pack's directory, where ``read`` finds it."""
        np.savez(directory / INDEX, **vars(self))

    @classmethod
    def read(cls, directory: Path) -> PackIndex:
        """As it was written. Raises ``OSError``, ``ValueError`` or ``KeyError`` where it is damaged."""
        with np.load(directory / INDEX) as arrays:
            return cls(**{name: arrays[name] for name in cls.__dataclass_fields__})


class PackWriter:
    """Writes images one by one; labels and splits are told at the end, when all are known.

    Args:
        directory: empty, or not there yet.
        channels: of every image, 1 or 3.
    """

    def __init__(self, directory: Path, channels: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._channels = directory, channels
        self._file = (directory / IMAGES).open("wb")
        self._sizes: list[tuple[int, int, int]] = []
        self._digests: list[bytes] = []
        self._end = 0

    def __enter__(self) -> PackWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, image: NDArray[np.uint8]) -> bytes:
        """Append an image (H, W, C); returns its digest.

        Raises:
            ValueError: it is of another kind of numbers, or has other channels.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != self._channels:
            raise ValueError(f"a pack of {self._channels} channels takes no {image.dtype} {image.shape}")
        self._file.write(np.ascontiguousarray(image).tobytes())
        self._sizes.append((self._end, image.shape[0], image.shape[1]))
        self._end += image.size
        self._digests.append(pixel_digest(image))
        return self._digests[-1]

    def finish(self, labels: Sequence[int], splits: Sequence[SplitName]) -> PackIndex:
        """Write the index of all images that were added; ``found.json`` is for the caller to write."""
        sizes = np.array(self._sizes, dtype=np.int64).reshape(-1, 3)
        index = PackIndex(
            offset=sizes[:, 0],
            height=sizes[:, 1].astype(np.int32),
            width=sizes[:, 2].astype(np.int32),
            label=np.array(labels, dtype=np.int32),
            split=np.array([SPLITS.index(split) for split in splits], dtype=np.uint8),
            digest=np.frombuffer(b"".join(self._digests), dtype=np.uint8).reshape(-1, DIGEST_BYTES),
        )
        self._file.flush()
        index.write(self._directory)
        return index


@dataclass(frozen=True, eq=False)
class Pack:
    """A pack that was written; pixels are read from disk when they are asked for."""

    found: FoundDataset
    index: PackIndex
    pixels: NDArray[np.uint8]
    """Of all images, one long memory-mapped row of bytes."""

    @classmethod
    def open(cls, directory: Path) -> Pack:
        """The pack in ``directory``.

        Raises:
            DatasetInvalid: it is not there, or damaged.
        """
        try:
            found = FoundDataset.model_validate_json((directory / FOUND).read_bytes())
            index = PackIndex.read(directory)
            pixels = np.memmap(directory / IMAGES, dtype=np.uint8, mode="r")
        except (OSError, ValueError, KeyError) as error:
            raise DatasetInvalid(f"the kept images of the data set cannot be read: {error}") from error
        return cls(found, index, pixels)

    def image(self, position: int) -> NDArray[np.uint8]:
        """One image (H, W, C), a view of the file."""
        height, width = int(self.index.height[position]), int(self.index.width[position])
        start = int(self.index.offset[position])
        count = height * width * self.found.channels
        return self.pixels[start : start + count].reshape(height, width, self.found.channels)


def fingerprint_of(classes: Sequence[str], index: PackIndex) -> str:
    """SHA-256 of class names, splits, labels and pixels, in the order of the pack."""
    content = hashlib.sha256("\0".join(classes).encode())
    for part in (index.split, index.label.astype("<i4"), index.digest):
        content.update(np.ascontiguousarray(part).tobytes())
    return content.hexdigest()
