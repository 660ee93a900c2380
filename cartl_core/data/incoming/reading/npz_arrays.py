"""Images and labels as arrays of an .npz file, read image by image."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from cartl_core.data.incoming.collect import Bytes, Place
from cartl_core.data.incoming.reading.members import CHUNK, Meter, Readable, shown
from cartl_core.data.incoming.reading.npy_header import NpyHeader, read_header
from cartl_core.data.incoming.reading.npz_labels import Labels, Read, class_order, read_labels, read_texts
from cartl_core.data.incoming.reading.zip_members import DAMAGED, opened_zip
from cartl_core.data.incoming.rejection import Rejected
from cartl_core.spec.resources.dataset import DatasetLimits, SplitName

SUFFIX = ".npy"
CLASS_NAMES = "class_names"
ARRAYS: dict[SplitName, tuple[tuple[str, str], ...]] = {
    "train": (("images", "labels"), ("train_images", "train_labels"), ("x_train", "y_train")),
    "val": (("val_images", "val_labels"), ("x_val", "y_val")),
    "test": (("test_images", "test_labels"), ("x_test", "y_test")),
}
"""Names of the arrays of each split; the first pair that is there is taken."""
MOST_ARRAYS = 100

Parsed = TypeVar("Parsed")


@dataclass(frozen=True)
class ArrayImage:
    """One image of an array."""

    pixels: Bytes
    """(H, W, C) with C 1 or 3."""
    parts: tuple[str, ...]
    place: Place
    done: float


@dataclass(frozen=True)
class _Split:
    name: SplitName
    images: str
    labels: Labels


class Arrays:
    """The arrays of an open file: class names in order, names of arrays that are not read, images."""

    def __init__(self, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], meter: Meter) -> None:
        self._archive, self._members, self._meter = archive, members, meter
        self._splits = list(self._found_splits())
        names = self._read(CLASS_NAMES, read_texts) if CLASS_NAMES in members else None
        self.classes, self._label_of = class_order([one.labels for one in self._splits], names)
        if len(self.classes) > meter.limits.classes:
            raise Rejected(
                "archive_too_large",
                f"it has {len(self.classes):,} classes; allowed: {meter.limits.classes:,}",
            )
        read = {CLASS_NAMES, *(name for pairs in ARRAYS.values() for pair in pairs for name in pair)}
        self.unknown = tuple(sorted(members.keys() - read))

    def images(self) -> Iterator[ArrayImage]:
        """Every image, split by split.

        Raises:
            Rejected: an array is damaged, of another kind, or has not as many images as labels.
        """
        for position, split in enumerate(self._splits):
            with self._opened(split.images) as read:
                header = read_header(read, split.images)
                height, width, channels = self._image_shape(header, split)
                for number, label in enumerate(split.labels):
                    pixels = np.frombuffer(read(height * width * channels), dtype=np.uint8)
                    yield ArrayImage(
                        pixels.reshape(height, width, channels),
                        (split.images, str(number)),
                        Place(split.name, self._label_of[label], (number,)),
                        (position + number / len(split.labels)) / len(self._splits),
                    )

    def _found_splits(self) -> Iterator[_Split]:
        for name, pairs in ARRAYS.items():
            for images, labels in pairs:
                if images in self._members:
                    if labels not in self._members:
                        raise Rejected("unreadable", f"there is {images}, but no {labels}")
                    yield _Split(name, images, self._read(labels, read_labels))
                    break
            else:
                if name == "train":
                    raise Rejected("unreadable", "there are no arrays `images` and `labels`")

    def _image_shape(self, header: NpyHeader, split: _Split) -> tuple[int, int, int]:
        """Height, width and channels."""
        shape = header.shape if len(header.shape) == 4 else (*header.shape, 1)
        if header.dtype != np.uint8 or len(shape) != 4 or shape[3] not in (1, 3):
            raise Rejected(
                "unreadable",
                f"{split.images} is {header.dtype} {header.shape}; "
                "allowed: uint8 (N, H, W) or (N, H, W, C) with C 1 or 3",
            )
        if shape[0] != len(split.labels):
            raise Rejected(
                "unreadable", f"{split.images} has {shape[0]:,} images, but {len(split.labels):,} labels"
            )
        pixels = shape[1] * shape[2]
        if not 0 < pixels <= self._meter.limits.image_pixels:
            raise Rejected(
                "unreadable",
                f"images of {split.images} have {pixels:,} pixels; "
                f"allowed: 1 to {self._meter.limits.image_pixels:,}",
            )
        return shape[1], shape[2], shape[3]

    def _read(self, name: str, parse: Callable[[Read, NpyHeader, str, DatasetLimits], Parsed]) -> Parsed:
        with self._opened(name) as read:
            return parse(read, read_header(read, name), name, self._meter.limits)

    @contextmanager
    def _opened(self, name: str) -> Iterator[Callable[[int], bytes]]:
        """A function that gives exactly so many bytes of an array; afterwards none may be left."""
        try:
            with self._archive.open(self._members[name]) as stream:
                yield lambda size: self._exactly(stream, size, name)
                if stream.read(1):
                    raise Rejected("unreadable", f"{name} has more bytes than its header says")
        except DAMAGED as error:
            raise Rejected("unreadable", f"{name} is damaged") from error

    def _exactly(self, stream: Readable, size: int, name: str) -> bytes:
        chunks, left = [], size
        while left and (chunk := stream.read(min(left, CHUNK))):
            self._meter.count_unpacked(len(chunk))
            chunks.append(chunk)
            left -= len(chunk)
        if left:
            raise Rejected("unreadable", f"{name} has fewer bytes than its header says")
        return b"".join(chunks)


def is_npz(content: Path, meter: Meter) -> bool:
    """Whether a zip archive holds arrays and nothing else."""
    with opened_zip(content, meter) as (_, entries):
        return bool(entries) and all(
            entry.filename.endswith(SUFFIX) and "/" not in entry.filename for entry in entries
        )


@contextmanager
def opened_npz(content: Path, meter: Meter) -> Iterator[Arrays]:
    """The arrays of a file, checked as far as that needs no image.

    Raises:
        Rejected: arrays are missing, of another kind, damaged or too large.
    """
    with opened_zip(content, meter) as (archive, entries):
        members: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            name = entry.orig_filename.removesuffix(SUFFIX)
            if name in members or len(members) == MOST_ARRAYS:
                raise Rejected("archive_unsafe", f"two arrays are called {shown(name)!r}, or there are many")
            members[name] = entry
        yield Arrays(archive, members, meter)
