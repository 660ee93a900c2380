"""A pack as a data set: its splits, and its images of many sizes as squares of the network's size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from cartl_core.data.incoming.registered import FolderPack
from cartl_core.data.packed import SPLITS, Pack
from cartl_core.data.splits import FileCounts, PixelSource, Sizing
from cartl_core.errors import DatasetInvalid
from cartl_core.spec.data_and_model import Resize
from cartl_core.spec.resources.dataset import SplitName

Box = tuple[float, float, float, float]
"""Left, upper, right and lower edge of a part of an image, in pixels and parts of them."""


@dataclass(frozen=True, eq=False)
class PackedSplit:
    """One split of a pack, a ``SplitSource``; its pixels stay in the pack's file.

    Attributes:
        positions: (N,) of its images in the pack, ascending.
    """

    pack: Pack | FolderPack
    positions: NDArray[np.int64]

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(N,)."""
        return self.pack.index.label[self.positions].astype(np.int64)

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """N of them, as in ``SplitSource``."""
        return tuple(map(bytes, self.pack.index.digest[self.positions]))

    def pixels(self, chosen: NDArray[np.int64], sizing: Sizing) -> tuple[PixelSource, NDArray[np.int64]]:
        """The pack itself where all its images have the right size, else the chosen ones resized."""
        positions = self.positions[chosen]
        whole = _all_of_size(self.pack, sizing.size)
        if whole is not None:
            return whole, self.pack.index.offset[positions] // (sizing.size**2 * whole.shape[3])
        return ResizedImages(self.pack, positions, sizing), np.arange(len(chosen))


@dataclass(frozen=True, eq=False)
class PackedArchive:
    """A pack as a ``DataSource``."""

    train: PackedSplit
    validation: PackedSplit | None
    test: PackedSplit
    highest: int = 255
    files: FileCounts | None = None


def archive_of_pack(pack: Pack | FolderPack) -> PackedArchive:
    """What ``load`` takes of a pack: ``load(..., own={name: archive_of_pack(open_pack(directory))})``.

    Raises:
        DatasetInvalid: it has no training or no test image, or its index is not of its images and classes.
    """
    _require_sound(pack)
    splits = {name: _split(pack, name) for name in SPLITS}
    for name in ("train", "test"):
        if not len(splits[name].positions):
            raise DatasetInvalid(f"the kept images of the data set have none of split {name!r}")
    validation = splits["val"] if len(splits["val"].positions) else None
    return PackedArchive(splits["train"], validation, splits["test"])


def _split(pack: Pack | FolderPack, name: SplitName) -> PackedSplit:
    return PackedSplit(pack, (pack.index.split == SPLITS.index(name)).nonzero()[0])


def _require_sound(pack: Pack | FolderPack) -> None:
    """The index is another file than the pixels: every image lies within them, every label has a class."""
    index = pack.index
    sides = np.minimum(index.height, index.width)
    ends = index.offset + index.height.astype(np.int64) * index.width * pack.found.channels
    within = (
        (ends <= len(pack.pixels)).all() if isinstance(pack, Pack) else len(pack.kept.paths) == len(index)
    )
    sound = (
        (sides >= 1).all()
        and (index.offset >= 0).all()
        and within
        and (index.label >= 0).all()
        and (index.label < len(pack.found.classes)).all()
    )
    if not sound:
        raise DatasetInvalid("the kept images of the data set do not match their index")


def _all_of_size(pack: Pack | FolderPack, size: int) -> NDArray[np.uint8] | None:
    """The pack's pixels (M, S, S, C) where all images are S x S, in the order of the file.

    An image that was left out may stand between them, so M is N or more.
    """
    index, each = pack.index, size * size * pack.found.channels
    if isinstance(pack, FolderPack) or not ((index.height == size) & (index.width == size)).all():
        return None
    if (index.offset % each).any():
        return None
    count = len(pack.pixels) // each
    return np.asarray(pack.pixels[: count * each]).reshape(count, size, size, pack.found.channels)


class ResizedImages:
    """Images of a pack as squares, each made when it is first asked for and kept from then on.

    Where the room for all of them is above the limit of ``sizing.scratch`` they are made each time.

    Args:
        positions: (N,) in the pack; position i of this is ``positions[i]``.
    """

    def __init__(self, pack: Pack | FolderPack, positions: NDArray[np.int64], sizing: Sizing) -> None:
        self._pack, self._positions, self._sizing = pack, positions, sizing
        self._each = (sizing.size, sizing.size, pack.found.channels)
        shape = (len(positions), *self._each)
        kept = sizing.scratch.fits(shape, torch.uint8)
        self._kept = sizing.scratch.zeros(shape, torch.uint8).numpy() if kept else None
        self._made = np.zeros(len(positions), dtype=np.bool_)

    def __getitem__(self, positions: NDArray[np.int64], /) -> NDArray[np.uint8]:
        """(n, S, S, C)."""
        if self._kept is None:
            images = np.empty((len(positions), *self._each), dtype=np.uint8)
            for row, position in enumerate(positions):
                images[row] = self._resized(position)
            return images
        for position in np.unique(positions[~self._made[positions]]):
            self._kept[position] = self._resized(position)
            self._made[position] = True
        found: NDArray[np.uint8] = self._kept[positions]
        return found

    def _resized(self, position: np.int64) -> NDArray[np.uint8]:
        image = self._pack.image(int(self._positions[position]))
        return resized(image, self._sizing.size, self._sizing.resize)


def resized(image: NDArray[np.uint8], size: int, resize: Resize) -> NDArray[np.uint8]:
    """An image (H, W, C) as (S, S, C): bilinear, antialiased, rounded to bytes, by Pillow.

    Only what is kept is computed, so a long image costs no more than a square one; the pixels next to what
    is cropped count at its edge as if the whole image had been scaled first.
    """
    height, width, channels = image.shape
    if (height, width) == (size, size):
        return image
    picture = Image.fromarray(image[:, :, 0] if channels == 1 else image)
    small = picture.resize((size, size), Image.Resampling.BILINEAR, box=BOXES[resize](width, height))
    return np.asarray(small).reshape(size, size, channels)


def _centre(width: int, height: int) -> Box:
    side = min(width, height)
    left, upper = (width - side) / 2, (height - side) / 2
    return left, upper, left + side, upper + side


def _whole(width: int, height: int) -> Box:
    return 0.0, 0.0, float(width), float(height)


BOXES: dict[Resize, Callable[[int, int], Box]] = {"fit_crop": _centre, "squash": _whole}
"""The part of an image that becomes the square."""
