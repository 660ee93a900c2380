"""A folder of the server as a data set: its images stay where they are, and are decoded when asked for."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from cartl_core.data.incoming.collect import Collected
from cartl_core.data.incoming.decode import decode, decoding
from cartl_core.data.incoming.reading.folder_members import files_below
from cartl_core.data.incoming.reading.members import Meter, shown
from cartl_core.data.incoming.rejection import Rejected, Unusable
from cartl_core.data.packed import FOUND, Pack, PackIndex
from cartl_core.data.splits import pixel_digest
from cartl_core.errors import DatasetInvalid
from cartl_core.spec.base import ARRAY, SpecModel
from cartl_core.spec.resources.dataset import DatasetLimits, FoundDataset
from cartl_core.spec.resources.image_names import skipped_by_name

PATHS = "paths.json"
_CHANGED = "it is not as it was when the data set was checked; check the folder again"


class KeptPaths(SpecModel):
    """Where the images of a registered folder lie, in the order of the index."""

    root: str
    paths: Annotated[tuple[str, ...], ARRAY]
    """Relative to ``root``."""
    sizes: Annotated[tuple[int, ...], ARRAY]
    """Bytes of each file."""
    mtimes_ns: Annotated[tuple[int, ...], ARRAY]
    listing: str
    """See ``listing_of``."""


@dataclass(frozen=True, eq=False)
class FolderPack:
    """A registered folder with the face of a ``Pack``."""

    found: FoundDataset
    index: PackIndex
    """Its offsets are all 0."""
    kept: KeptPaths

    @classmethod
    def open(cls, directory: Path) -> FolderPack:
        """The registered folder that ``directory`` describes.

        Raises:
            DatasetInvalid: the description is not there, or damaged.
        """
        try:
            found = FoundDataset.model_validate_json((directory / FOUND).read_bytes())
            kept = KeptPaths.model_validate_json((directory / PATHS).read_bytes())
            index = PackIndex.read(directory)
        except (OSError, ValueError, KeyError, ValidationError) as error:
            raise DatasetInvalid(f"what is kept of the data set's folder cannot be read: {error}") from error
        return cls(found, index, kept)

    def image(self, position: int) -> NDArray[np.uint8]:
        """One image (H, W, C), decoded anew.

        Raises:
            DatasetInvalid: its file is not as it was when the data set was checked.
        """
        name = self.kept.paths[position]
        path = Path(self.kept.root, name)
        try:
            stat = path.stat()
            if (stat.st_size, stat.st_mtime_ns) != (self.kept.sizes[position], self.kept.mtimes_ns[position]):
                raise DatasetInvalid(f"{shown(name)}: {_CHANGED}")
            pixels = _decoded(path.read_bytes(), self.index, position)
        except (OSError, Unusable) as error:
            raise DatasetInvalid(f"{shown(name)}: {_CHANGED}") from error
        image = pixels[..., : self.found.channels]
        if pixel_digest(image) != bytes(self.index.digest[position]):
            raise DatasetInvalid(f"{shown(name)}: {_CHANGED}")
        return image


def _decoded(content: bytes, index: PackIndex, position: int) -> NDArray[np.uint8]:
    most_pixels = int(index.height[position]) * int(index.width[position])
    with decoding(most_pixels):
        return decode(content, most_pixels).pixels


def open_pack(directory: Path) -> Pack | FolderPack:
    """What a check has left in ``directory``: images, or where they lie.

    Raises:
        DatasetInvalid: it is not there, or damaged.
    """
    return FolderPack.open(directory) if (directory / PATHS).exists() else Pack.open(directory)


def keep_paths(directory: Path, root: Path, images: Sequence[Collected]) -> None:
    """Write where ``images`` lie, and what all images of the folder look like from outside."""
    stamps = [image.stamp for image in images if image.stamp is not None]
    kept = KeptPaths(
        root=str(root.resolve()),
        paths=tuple("/".join(image.parts) for image in images),
        sizes=tuple(stamp.size for stamp in stamps),
        mtimes_ns=tuple(stamp.mtime_ns for stamp in stamps),
        listing=listing_of(root),
    )
    (directory / PATHS).write_text(kept.model_dump_json(), encoding="utf-8")


def has_changed(root: Path, kept: Path) -> bool:
    """Whether images were added, removed or written since the folder was checked, by names, sizes and times.

    Args:
        root: the registered folder.
        kept: the directory that the check made of it.

    Raises:
        DatasetInvalid: what is kept cannot be read.
    """
    before = FolderPack.open(kept).kept.listing
    try:
        return listing_of(root) != before
    except (OSError, Rejected):
        return True


def listing_of(root: Path) -> str:
    """SHA-256 of names, sizes and times of all files that are images by their names, 64 digits."""
    listing, unlimited = hashlib.sha256(), Meter(DatasetLimits(entries=sys.maxsize, depth=sys.maxsize))
    for path, parts in files_below(root, unlimited):
        if skipped_by_name(parts) is None:
            stat = path.stat()
            listing.update(
                f"{'/'.join(parts)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode("utf-8", "replace")
            )
    return listing.hexdigest()
