"""The values that loading passes on: what the files hold, and what a run uses of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cartl_core.spec import DatasetName

DIGEST_BYTES = 16


@dataclass(frozen=True, eq=False)
class Originals:
    """One split as its files hold it, in the files' order."""

    images: NDArray[np.uint8]
    """(N, H, W, C)."""
    labels: NDArray[np.int64]
    """(N,), the data set's own labels."""
    digests: tuple[bytes, ...]
    """Of each image's original pixels and shape; equal images have equal digests in every data set."""


@dataclass(frozen=True, eq=False)
class Archive:
    """A data set as its files hold it."""

    train: Originals
    test: Originals
    highest: int = 255
    """The value of a white pixel: divides into [0, 1]."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images that a run uses, ready for the network.

    Held as float32: 12 KiB an image at 3 x 32 x 32. Limits apply before the conversion.
    """

    images: Tensor
    """(N, C, H, W), float32 in [0, 1], at the network's size and channels."""
    labels: Tensor
    """(N,), int64 from 0 to classes - 1: the position in the task's list of classes."""
    index: Tensor
    """(N,), int64: the position in the files' order of this split (validation: of the training files)."""
    digests: tuple[bytes, ...]
    """As in ``Originals``."""

    def __len__(self) -> int:
        return len(self.digests)


@dataclass(frozen=True, eq=False)
class Loaded:
    """A task's data: training, validation and test images that have no image in common by position."""

    name: DatasetName
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    """Of the whole data set's training images (the catalog's), one for each of the network's channels."""
    std: tuple[float, ...]
    fingerprint: str
    """SHA-256 of all that is used: pixels, labels, positions, and the shape the network sees."""

    @cached_property
    def content_hashes(self) -> frozenset[bytes]:
        """Digests of the original pixels of every image that is used."""
        return frozenset().union(*(split.digests for split in (self.train, self.validation, self.test)))


def originals(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Originals:
    """A split of equally sized images (N, H, W, C) with their digests."""
    return Originals(images, labels, tuple(pixel_digest(image) for image in images))


def pixel_digest(image: NDArray[np.uint8]) -> bytes:
    """16 bytes that name an image (H, W, C) by shape and pixels."""
    shape = ",".join(map(str, image.shape)).encode()
    return hashlib.blake2b(shape + b":" + image.tobytes(), digest_size=DIGEST_BYTES).digest()
