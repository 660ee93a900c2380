"""Files that are written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

COPIED_BYTES = 1024 * 1024
"""At once."""


@dataclass(frozen=True)
class Stat:
    """What is known of a file by its bytes alone."""

    size: int
    """Bytes."""
    sha256: str
    """64 hexadecimal digits."""


class PendingFile:
    """A file under way: a temporary that is gone with the block, unless it was given its name.

    Args:
        folder: where the temporary lies; on the file system of the name that it will get.
        prefix: of the temporary's name, which begins with a dot.

    Attributes:
        path: of the temporary, to look at the content before it is named.
    """

    def __init__(self, folder: Path, prefix: str = ".incoming-") -> None:
        make_directory(folder)
        handle, name = tempfile.mkstemp(dir=folder, prefix=prefix)
        self.path = Path(name)
        self._file = os.fdopen(handle, "wb")
        self._sha = hashlib.sha256()
        self._size = 0

    def __enter__(self) -> PendingFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        finally:
            self.path.unlink(missing_ok=True)

    @property
    def size(self) -> int:
        """Bytes that were written so far."""
        return self._size

    def write(self, chunk: bytes) -> None:
        """Append to the file."""
        self._file.write(chunk)
        self._sha.update(chunk)
        self._size += len(chunk)

    def finish(self) -> Stat:
        """All of it is here: make it last. May be called twice."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return Stat(self._size, self._sha.hexdigest())

    def publish(self, path: Path, mode: int | None = None) -> Stat:
        """Give the file its name, for good; another file of that name is replaced.

        Args:
            path: its name, in a folder that is there.
            mode: permissions; None: for this user alone.
        """
        if mode is not None:
            os.fchmod(self._file.fileno(), mode)
        written = self.finish()
        self.path.replace(path)
        sync_directory(path.parent)
        return written


def write_whole(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that a crash leaves the old file or the new one, never a part."""
    with PendingFile(path.parent, f".{path.name}.") as file:
        file.write(content)
        file.publish(path, mode=0o644)


def place_whole(made: Path, path: Path) -> None:
    """Give a finished file of the same file system its name; another file of that name is replaced."""
    made.chmod(0o644)
    sync_file(made)
    made.replace(path)
    sync_directory(path.parent)


def copy_whole(source: Path, path: Path) -> None:
    """Copy a file to ``path``, whole or not at all; it is never held in memory."""
    with source.open("rb") as content, PendingFile(path.parent, f".{path.name}.") as file:
        while chunk := content.read(COPIED_BYTES):
            file.write(chunk)
        file.publish(path, mode=0o644)


def make_directory(directory: Path) -> None:
    """Make a directory and those around it, so that they survive a power cut; one that is there is kept."""
    missing = [one for one in (directory, *directory.parents) if not one.is_dir()]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        sync_directory(one.parent)


def sync_tree(directory: Path) -> None:
    """Make a directory, with all that is in it, survive a power cut."""
    for folder, _, files in os.walk(directory, topdown=False):
        for name in files:
            sync_file(Path(folder, name))
        sync_directory(Path(folder))


def sync_file(file: Path) -> None:
    """Make what was written to ``file`` survive a power cut."""
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def sync_directory(directory: Path) -> None:
    """Make what was named in ``directory`` survive a power cut; one that is gone meanwhile holds no names."""
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
