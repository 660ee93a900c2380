"""Which files of a data set of one's own are its images, by their names alone.

The check of a data set and the command that packs a folder agree by this table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"))
"""In any case of letters."""
ARCHIVE_SUFFIXES = frozenset(
    (".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".npz", ".7z", ".rar", ".zst")
)
SYSTEM_NAMES = frozenset(
    ("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "@eadir", "lost+found")
)
"""Files and folders that operating systems and storage devices leave, in lower case."""


def _suffix(parts: Sequence[str]) -> str:
    return PurePosixPath(parts[-1]).suffix.lower()


SKIPPED_BY_NAME: dict[str, Callable[[Sequence[str]], bool]] = {
    "hidden": lambda parts: any(part.startswith(".") for part in parts),
    "system_file": lambda parts: any(part.lower() in SYSTEM_NAMES for part in parts),
    "archive_inside": lambda parts: _suffix(parts) in ARCHIVE_SUFFIXES,
    "no_image_suffix": lambda parts: _suffix(parts) not in IMAGE_SUFFIXES,
}
"""Why a file is no image of the data set; the first reason that fits counts."""


def skipped_by_name(parts: Sequence[str]) -> str | None:
    """Why the file at ``parts``, its folders and its name, is passed over; None: it should be an image."""
    return next((reason for reason, fits in SKIPPED_BY_NAME.items() if fits(parts)), None)
