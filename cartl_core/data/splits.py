"""The values that loading passes on: what the files hold, and what a run uses of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cartl_core.report.notices import SkippedFor

DIGEST_BYTES = 16

Pixels = NDArray[np.uint8] | NDArray[np.float32]
"""As files hold them, or a person's own floats in [0, 1]."""


@dataclass(frozen=True)
class FileCounts:
    """Files of a data set of image files.

    Attributes:
        taken: files that are its images.
        skipped: others that lie beside them: why, and how many.
    """

    taken: int = 0
    skipped: tuple[tuple[SkippedFor, int], ...] = ()

    def __add__(self, other: FileCounts) -> FileCounts:
        """Both together."""
        together = Counter(dict(self.skipped)) + Counter(dict(other.skipped))
        return FileCounts(self.taken + other.taken, tuple(sorted(together.items())))


@dataclass(frozen=True, eq=False)
class Originals:
    """One split as its files hold it, in the files' order."""

    images: Pixels
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
    validation: Originals | None = None
    """Where the data set comes with such a split; else a part of the training images is set aside."""
    files: FileCounts | None = None
    """None where it is not a file an image."""


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

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    """Of the whole data set's training images (the catalog's), one for each of the network's channels."""
    std: tuple[float, ...]
    fingerprint: str
    """SHA-256 of all that is used: pixels, labels, positions, and the shape the network sees."""
    available: int | None = None
    """Training images of the task's classes, before any limit; None: the files hold what the catalog says."""
    files: FileCounts | None = None
    """Of the whole data set, all classes and both splits."""

    @cached_property
    def content_hashes(self) -> frozenset[bytes]:
        """Digests of the original pixels of every image that is used."""
        return frozenset().union(*(split.digests for split in (self.train, self.validation, self.test)))


def originals(images: Pixels, labels: NDArray[np.int64]) -> Originals:
    """A split of equally sized images (N, H, W, C) with their digests."""
    return Originals(images, labels, tuple(pixel_digest(image) for image in images))


def pixel_digest(image: Pixels) -> bytes:
    """16 bytes that name an image (H, W, C) by shape and pixels."""
    shape = ",".join(map(str, image.shape)).encode()
    return hashlib.blake2b(shape + b":" + image.tobytes(), digest_size=DIGEST_BYTES).digest()
