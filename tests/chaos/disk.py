"""A small file system of its own for the service's files, which can be filled until nothing fits."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

MEBIBYTE = 1024 * 1024
FILLER = "filler"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class SmallDisk:
    """A tmpfs on ``folder``, where this user may mount one.

    Attributes:
        mounted: False where mounting is not permitted: nothing is filled then.
        is_full: between ``fill`` and ``free``.
    """

    def __init__(self, folder: Path, mebibytes: int) -> None:
        self.folder = folder
        self.mounted = False
        self.is_full = False
        self._size = mebibytes

    def mount(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        options = f"size={self._size}m,mode=0755"
        command = ["mount", "-t", "tmpfs", "-o", options, "cartl-chaos", str(self.folder)]
        try:
            self.mounted = (
                subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
            )
        except FileNotFoundError:
            self.mounted = False

    def fill(self) -> None:
        """Take whatever is free now, to the last page. Again and again: whoever deletes a file makes room."""
        with (self.folder / FILLER).open("ab") as file:
            size = os.fstat(file.fileno()).st_size
            step = self._size * MEBIBYTE
            while step >= os.sysconf("SC_PAGE_SIZE"):
                try:
                    os.posix_fallocate(file.fileno(), size, step)
                except OSError as error:
                    if error.errno not in FULL:
                        raise
                    step //= 2
                else:
                    size += step
        self.is_full = True

    def free(self) -> None:
        (self.folder / FILLER).unlink(missing_ok=True)
        self.is_full = False

    def unmount(self) -> None:
        """At once from the tree of files, from memory when the last file on it is closed."""
        subprocess.run(["umount", "--lazy", str(self.folder)], capture_output=True, timeout=20, check=True)
        self.mounted = False
