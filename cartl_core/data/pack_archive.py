"""A pack as the archive that loading takes its images from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from cartl_core.data.packed import SPLITS, Pack
from cartl_core.data.splits import Archive, Originals, Pixels
from cartl_core.errors import DatasetInvalid
from cartl_core.spec.resources.dataset import SplitName

Read = Callable[[NDArray[np.intp]], Pixels]


def read_pack(directory: Path, name: str, fingerprint: str | None, size: int) -> Archive:
    """The images of the pack in ``directory``.

    Args:
        name: of the data set, for errors.
        fingerprint: what the pack must have.
        size: height and width in pixels that images of uneven sizes are brought to.

    Raises:
        DatasetInvalid: it is not there, damaged, or another one.
    """
    pack = Pack.open(directory)
    if fingerprint is not None and pack.found.fingerprint != fingerprint:
        raise DatasetInvalid(
            f"the kept images of the data set {name} are others than the specification names: their "
            f"fingerprint is {pack.found.fingerprint}"
        )
    return archive_of_pack(pack, size)


def archive_of_pack(pack: Pack, size: int) -> Archive:
    """All images of a pack, in its order; those of uneven sizes resized to ``size``, as floats in [0, 1]."""
    sizes = {*zip(pack.index.height.tolist(), pack.index.width.tolist(), strict=True)}
    even = len(sizes) == 1
    read: Read = (lambda at: _stacked(pack, at)) if even else (lambda at: _resized(pack, at, size))
    validates = bool((pack.index.split == SPLITS.index("val")).any())
    return Archive(
        train=_split(pack, "train", read),
        test=_split(pack, "test", read),
        highest=255 if even else 1,
        validation=_split(pack, "val", read) if validates else None,
    )


def _split(pack: Pack, name: SplitName, read: Read) -> Originals:
    at = np.flatnonzero(pack.index.split == SPLITS.index(name))
    digests = tuple(pack.index.digest[position].tobytes() for position in at)
    return Originals(read(at), pack.index.label[at].astype(np.int64), digests)


def _stacked(pack: Pack, at: NDArray[np.intp]) -> NDArray[np.uint8]:
    return np.stack([pack.image(int(position)) for position in at])


def _resized(pack: Pack, at: NDArray[np.intp], size: int) -> NDArray[np.float32]:
    images = np.empty((len(at), size, size, pack.found.channels), dtype=np.float32)
    for row, position in enumerate(at):
        image = torch.from_numpy(pack.image(int(position)).astype(np.float32) / 255)
        resized = functional.interpolate(
            image.permute(2, 0, 1)[None], (size, size), mode="bilinear", antialias=True
        )
        images[row] = resized[0].clamp(0, 1).permute(1, 2, 0).numpy()
    return images
