"""Copies of files that lie elsewhere, by their SHA-256, within a number of bytes.

A copy is given out as a further name of the cached file (a hard link). So what is given out stays when its
cached name goes, and the cache needs to know of no reader.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cartl_core.storage.atomic_write import PendingFile, make_directory

DAMAGED = "its SHA-256 is another than when it was kept"
READ_ONLY = 0o400


class ContentCache:
    """Files of a folder, each called by its SHA-256; those that were asked for longest ago go first.

    Args:
        folder: made when needed. Names are given out on its file system.
        budget: bytes that are kept. One file larger than that is given out, and not kept.
    """

    def __init__(self, folder: Path, budget: int) -> None:
        self._folder = folder
        self._budget = budget

    def place(self, sha256: str, target: Path, download: Callable[[PendingFile], None]) -> None:
        """Give the bytes of this digest the name ``target``, in a folder that is there.

        Args:
            download: writes the bytes, where no whole copy is here.

        Raises:
            OSError: what came has another digest, or a disk or the network fails.
        """
        if self._placed(sha256, target):
            return
        with PendingFile(self._folder) as file:
            download(file)
            if file.finish().sha256 != sha256:
                raise OSError(errno.EIO, DAMAGED, target.name)
            os.link(file.path, target)
            if file.size <= self._budget:
                file.publish(self._folder / sha256, mode=READ_ONLY)
        self._make_room()

    def _placed(self, sha256: str, target: Path) -> bool:
        """Whether a whole copy was here; a damaged one is removed."""
        kept = self._folder / sha256
        try:
            os.link(kept, target)
        except FileNotFoundError:
            make_directory(self._folder)
            return False
        with target.open("rb") as file:
            whole = hashlib.file_digest(file, "sha256").hexdigest() == sha256
        if not whole:
            target.unlink()
            kept.unlink(missing_ok=True)
            return False
        with suppress(FileNotFoundError):  # others have made room
            os.utime(kept)
        return True

    def _make_room(self) -> None:
        found = []
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                stat = path.stat()
                found.append((stat.st_mtime_ns, stat.st_size, path))
        left = sum(size for _, size, path in found if not path.name.startswith("."))
        for _, size, path in sorted(found):
            if left <= self._budget:
                return
            if not path.name.startswith("."):
                path.unlink(missing_ok=True)
                left -= size
