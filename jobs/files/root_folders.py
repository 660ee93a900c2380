"""Folders of the server that are data sets where they lie: which may be named, and what tells a change."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from cartl_core.errors import SpecError
from jobs.settings import Settings

IGNORED = ("__MACOSX",)
"""Folders that no data set has, besides hidden ones."""


def allowed_root(settings: Settings, written: str) -> Path:
    """The folder that was named, absolute and with links resolved.

    What lies outside ``CARTL_DATA_ROOTS`` is refused before it is looked at, so that the answer tells
    nothing of it.

    Raises:
        SpecError: it may not be named, or is no folder.
    """
    roots = settings.root_folders
    allowed = (
        f"a folder below one of {', '.join(map(str, roots))}" if roots else "none: CARTL_DATA_ROOTS is empty"
    )
    if "\x00" in written or not written.startswith("/"):
        raise SpecError("root", "it is no absolute path", allowed=allowed)
    try:
        path = Path(written).resolve()
    except (OSError, RuntimeError) as error:
        raise SpecError("root", "it cannot be resolved", allowed=allowed) from error
    if not any(path.is_relative_to(root) for root in roots):
        raise SpecError("root", "it lies in no folder that the operator has opened", allowed=allowed)
    if not path.is_dir() or not os.access(path, os.R_OK | os.X_OK):
        raise SpecError("root", "there is no such folder, or it cannot be read", allowed=allowed)
    return path


def stamp_of(root: Path, most: int) -> str:
    """SHA-256 of the names, sizes and times of all files below ``root``; no file is read.

    Hidden files do not count, nor does what lies behind a link; the link itself does.

    Raises:
        SpecError: there are more than ``most`` files and folders, or one cannot be listed.
    """
    lines = []
    try:
        for count, entry in enumerate(_entries(root)):
            if count >= most:
                raise SpecError("root", "the folder holds too many files", allowed=f"at most {most}")
            found = entry.stat(follow_symlinks=False)
            name = os.path.relpath(entry.path, root)
            size = 0 if entry.is_dir(follow_symlinks=False) else found.st_size
            time = 0 if entry.is_dir(follow_symlinks=False) else found.st_mtime_ns
            lines.append(f"{name}\0{size}\0{time}".encode(errors="surrogateescape"))
    except OSError as error:
        raise SpecError("root", f"a folder in it cannot be listed: {error.strerror}") from error
    return hashlib.sha256(b"\0\0".join(sorted(lines))).hexdigest()


def _entries(root: Path) -> Iterator[os.DirEntry[str]]:
    """Files, links and folders below ``root``, in no order."""
    waiting = [str(root)]
    while waiting:
        with os.scandir(waiting.pop()) as folder:
            for entry in folder:
                if entry.name.startswith(".") or entry.name in IGNORED:
                    continue
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
