"""Local files and folders, as a store takes and gives them."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path

from cartl_core.storage.store import CHUNK, NAME, Content, KeyRefused, check_key


def check_tree(directory: Path, key: str) -> None:
    """See that every file in a directory can have a key below ``key``, and that none is a link.

    Raises:
        KeyRefused: otherwise.
        NotADirectoryError: it is none.
    """
    if directory.is_symlink() or not directory.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), directory.name)
    for path in directory.rglob("*"):
        check_key(f"{key}/{path.relative_to(directory).as_posix()}")
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise KeyRefused(f"{path.name} is neither a file nor a directory", key=key)


def files_below(directory: Path) -> Iterator[str]:
    """Paths of the files below a directory that have a key, relative to it."""
    for folder, folders, files in os.walk(directory):
        folders[:] = filter(NAME.fullmatch, folders)
        paths = (Path(folder, name) for name in files if NAME.fullmatch(name))
        yield from (path.relative_to(directory).as_posix() for path in paths if not path.is_symlink())


def chunks_of(content: Content) -> Iterable[bytes]:
    """What is to be put, in order."""
    if isinstance(content, bytes):
        return (content,)
    return read_range(content.open("rb"), 0, None) if isinstance(content, Path) else content


def read_range(file: BufferedReader, start: int, end: int | None) -> Iterator[bytes]:
    """The bytes from ``start`` to before ``end``, chunk by chunk; the file is closed then."""
    with file:
        file.seek(start)
        left = sys.maxsize if end is None else end - start
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk
