"""Where bytes are kept: one interface for stages, artifacts, uploads, data sets and teachers.

A store maps keys to files. A key is a path of plain names, as in ``datasets/3f1c/pack/index.json``; the
files whose keys begin with ``datasets/3f1c/`` are the tree ``datasets/3f1c``. A file, and a tree that is put
as one, becomes visible whole or not at all. What is under way has no key.

``DirectoryStore`` keeps files in a directory, ``S3Store`` in a bucket. Whoever needs a path asks for
``local_copy``, which a bucket answers with a download.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from cartl_core.errors import CartlError
from cartl_core.storage.atomic_write import Stat

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
"""Of each part of a key. A name that begins with a dot is no key's: temporaries have such names."""
MOST_PARTS = 16
KEY_LENGTH = 1000
CHUNK = 1024 * 1024
"""Bytes that are read at once."""

Content = bytes | Path | Iterable[bytes]
"""What is put: the bytes, the file that holds them, or the chunks in their order."""


class KeyRefused(CartlError, ValueError):
    """A key is names of letters, digits, `.`, `_` and `-`, not beginning with `.` or `-`, joined by `/`."""


@dataclass(frozen=True)
class Entry:
    """A file of a store, as a list shows it."""

    key: str
    size: int
    """Bytes."""
    modified: float
    """Seconds since 1970, by the clock of the disk or the server."""


def check_key(key: str) -> str:
    """The key itself, when it is one.

    Raises:
        KeyRefused: otherwise.
    """
    parts = key.split("/")
    if len(key) > KEY_LENGTH or len(parts) > MOST_PARTS or not all(map(NAME.fullmatch, parts)):
        raise KeyRefused(key=key[:KEY_LENGTH])
    return key


class Pending(Protocol):
    """A file under way, before it has a key."""

    @property
    def size(self) -> int:
        """Bytes that were written so far."""

    @property
    def path(self) -> Path:
        """A local file of what ``finish`` has completed: to look at it before it is published."""

    def write(self, chunk: bytes) -> None:
        """Append to it."""

    def finish(self) -> Stat:
        """All of it is here; nothing may be written from now on."""

    def publish(self, key: str) -> Stat:
        """Make it the file of ``key``, in place of another.

        Raises:
            KeyRefused: it is no key.
        """


class Store(Protocol):
    """Keys and their files.

    Every method raises ``KeyRefused`` for what is no key, and ``OSError`` where the disk or the network
    fails. What is said to raise ``FileNotFoundError`` does so where the key has no file.
    """

    def pending(self) -> AbstractContextManager[Pending]:
        """A file under way, written chunk by chunk; gone with the block unless it was published."""

    def put(self, key: str, content: Content) -> Stat:
        """Keep a file, in place of another of this key, whole or not at all."""

    def put_new(self, key: str, content: Content) -> Stat:
        """Keep a file where there is none of this key; of several at once, one does.

        Raises:
            FileExistsError: there is one.
        """

    def adopt(self, key: str, file: Path) -> None:
        """Move a local file into the store, in place of another of this key, whole or not at all."""

    def put_tree(self, key: str, directory: Path) -> None:
        """Move a local directory into the store as the tree ``key``, all of it or nothing.

        Raises:
            FileExistsError: there is a file or a tree of this key.
            KeyRefused: a file in the directory has a name that no key may have, or is a link.
        """

    def open(self, key: str) -> BufferedReader:
        """The file, to be read from anywhere. Raises ``FileNotFoundError``."""

    def stream(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from ``start`` up to, not including, ``end``; what lies beyond the file is left out.

        Raises:
            FileNotFoundError: at the call, not at the first chunk.
            ValueError: ``start`` is negative, or lies behind ``end``.
        """

    def size(self, key: str) -> int:
        """Bytes of the file. Raises ``FileNotFoundError``."""

    def stat(self, key: str) -> Stat:
        """Size and SHA-256 of the file, which is read for it. Raises ``FileNotFoundError``."""

    def verify(self, key: str, sha256: str) -> bool:
        """Whether the file has this digest. Raises ``FileNotFoundError``."""

    def stamp(self, key: str) -> str:
        """Another text once the file was written to since. Raises ``FileNotFoundError``."""

    def exists(self, key: str) -> bool:
        """Whether there is a file or a tree of this key."""

    def list(self, prefix: str = "") -> Iterator[str]:
        """Keys of the file or of the tree ``prefix``, in order; all keys where it is empty."""

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """What ``list`` names, with sizes and times."""

    def delete(self, key: str) -> bool:
        """Delete a file or a tree; False where there is none. Who has opened a file can read on."""

    def local_copy(self, key: str) -> AbstractContextManager[Path]:
        """A path of the file or tree, to be read while the block lasts. Raises ``FileNotFoundError``."""
