"""The values that loading passes on: what the files hold, and what a run uses of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cartl_core.data.image_set import ImageSet
from cartl_core.execution.scratch import Scratch
from cartl_core.report.notices import SkippedFor
from cartl_core.spec.data_and_model import Resize

DIGEST_BYTES = 16

Pixels = NDArray[np.uint8] | NDArray[np.float32]
"""As files hold them, or a person's own floats in [0, 1]."""


class PixelSource(Protocol):
    """Images that are all of one size, in memory or not."""

    def __getitem__(self, positions: NDArray[np.int64], /) -> Pixels:
        """(n, H, W, C) of those at ``positions`` (n,)."""


@dataclass(frozen=True)
class Sizing:
    """How images of many sizes become squares of one.

    Attributes:
        size: pixels a side.
        scratch: where they are kept once they were made.
    """

    size: int
    resize: Resize
    scratch: Scratch


class SplitSource(Protocol):
    """One split of a data set, wherever it comes from."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,), the data set's own labels."""

    @property
    def digests(self) -> tuple[bytes, ...]:
        """Of each image's original pixels and shape; equal images have equal digests in every data set."""

    def pixels(self, chosen: NDArray[np.int64], sizing: Sizing) -> tuple[PixelSource, NDArray[np.int64]]:
        """The images at ``chosen`` (n,): something that holds them, and their positions there (n,)."""


class DataSource(Protocol):
    """A data set that ``load`` takes from, of the catalog or a person's own."""

    @property
    def train(self) -> SplitSource:
        """Training images."""

    @property
    def validation(self) -> SplitSource | None:
        """Validation images; None where they are drawn from the training images."""

    @property
    def test(self) -> SplitSource:
        """Test images."""

    @property
    def highest(self) -> int:
        """The value of a white pixel: divides into [0, 1]."""

    @property
    def files(self) -> FileCounts | None:
        """None where it is not a file an image."""


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
    """As in ``SplitSource``."""

    def pixels(self, chosen: NDArray[np.int64], sizing: Sizing) -> tuple[PixelSource, NDArray[np.int64]]:
        """All of them as they are: of one size, they meet the network's input batch by batch."""
        return self.images, chosen


@dataclass(frozen=True, eq=False)
class Archive:
    """A data set of images of one size as its files hold it, in memory: a ``DataSource``."""

    train: Originals
    test: Originals
    highest: int = 255
    files: FileCounts | None = None
    validation: Originals | None = None


@dataclass(frozen=True, eq=False)
class Split:
    """Images that a run uses, as the network sees them; they become floats when they are asked for."""

    images: ImageSet
    """(N, C, S, S), float32 in [0, 1], at the network's size and channels."""
    labels: Tensor
    """(N,), int64 from 0 to classes - 1: the position in the task's list of classes."""
    index: Tensor
    """(N,), int64: the position in the files' order of this split (validation: of the training files)."""
    digests: tuple[bytes, ...]
    """As in ``SplitSource``."""

    def __len__(self) -> int:
        return len(self.digests)

    def at(self, positions: Tensor) -> Split:
        """The images at ``positions`` (n,), int64."""
        return Split(
            images=self.images.subset(positions),
            labels=self.labels[positions],
            index=self.index[positions],
            digests=tuple(self.digests[position] for position in positions.tolist()),
        )


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
