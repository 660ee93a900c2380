"""MNIST's own file format (idx), plain or gzipped: MNIST and Fashion-MNIST.

Read here rather than by torchvision, which refuses the files of Debian's package (see
``cartl_core.compat.debian``).
Format: two zero bytes, a type (8: unsigned byte), the number of dimensions, each dimension as a
big-endian 32-bit number, then the values.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from cartl_core.catalog import DatasetFacts
from cartl_core.catalog.data_files import IDX_FILES, idx_file, idx_folders
from cartl_core.data.sources.common import Reader, check_labels
from cartl_core.data.sources.images import shown
from cartl_core.data.splits import Archive, Originals, originals
from cartl_core.errors import DatasetInvalid, describe_error

UNSIGNED_BYTE = 8
MOST_IMAGES = 1_000_000


def find(facts: DatasetFacts, root: Path) -> Reader | None:
    """A reader for the first of the row's folders that holds all four files, each plain or as .gz."""
    for directory in idx_folders(facts, root):
        found = [path for name in IDX_FILES if (path := idx_file(directory, name)) is not None]
        if len(found) == len(IDX_FILES):
            train_images, train_labels, test_images, test_labels = found
            return lambda: Archive(
                train=_read_split(train_images, train_labels, facts, root),
                test=_read_split(test_images, test_labels, facts, root),
            )
    return None


def _read_split(image_file: Path, label_file: Path, facts: DatasetFacts, root: Path) -> Originals:
    size = facts.image_size
    images = read_idx(image_file, root, shape=(size, size))
    labels = read_idx(label_file, root, shape=()).astype(np.int64)
    if len(images) != len(labels):
        raise DatasetInvalid(
            f"{shown(image_file, root)} holds {len(images)} images, "
            f"but {shown(label_file, root)} holds {len(labels)} labels"
        )
    check_labels(labels, len(facts.classes), shown(label_file, root))
    return originals(images[..., None], labels)


def read_idx(path: Path, root: Path, *, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The values of an idx file of items of ``shape``: (N, *shape).

    The header is not believed: a file that claims too much, or holds less or more than it claims,
    is refused before memory is given to it.

    Raises:
        DatasetInvalid: naming the file.
    """
    try:
        with _open(path) as file:
            dimensions = _header(file)
            if dimensions[1:] != shape or dimensions[0] > MOST_IMAGES:
                raise ValueError(f"holds {dimensions}, expected (N, {', '.join(map(str, shape))})")
            size = math.prod(dimensions)
            values = file.read(size)
            if len(values) != size:
                raise ValueError(f"is cut off: {len(values):,} of {size:,} values are there")
            if file.read(1):
                raise ValueError(f"goes on after its {size:,} values")
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DatasetInvalid(
            f"{shown(path, root)} is not a valid idx file: {describe_error(error)}"
        ) from error
    return np.frombuffer(values, dtype=np.uint8).reshape(dimensions)


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _header(file: BinaryIO) -> tuple[int, ...]:
    magic = file.read(4)
    if len(magic) != 4 or magic[:3] != bytes((0, 0, UNSIGNED_BYTE)) or not 1 <= magic[3] <= 4:
        raise ValueError("it does not begin with the mark of unsigned bytes")
    sizes = file.read(4 * magic[3])
    if len(sizes) != 4 * magic[3]:
        raise ValueError("its header is cut off")
    return tuple(int.from_bytes(sizes[at : at + 4], "big") for at in range(0, len(sizes), 4))
