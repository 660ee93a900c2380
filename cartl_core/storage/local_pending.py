"""What both kinds of store give whoever puts a file piece by piece: a local file until it gets its key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cartl_core.storage.atomic_write import PendingFile, Stat


class LocalPending:
    """See ``Pending``.

    Args:
        file: what is written.
        publish: gives ``file`` a key of the store.
    """

    def __init__(self, file: PendingFile, publish: Callable[[str], Stat]) -> None:
        self._file = file
        self._publish = publish

    @property
    def size(self) -> int:
        """Bytes that were written so far."""
        return self._file.size

    @property
    def path(self) -> Path:
        """Of the file under way."""
        return self._file.path

    def write(self, chunk: bytes) -> None:
        """Append to it."""
        self._file.write(chunk)

    def finish(self) -> Stat:
        """Make it last."""
        return self._file.finish()

    def publish(self, key: str) -> Stat:
        """Give it its key."""
        return self._publish(key)
