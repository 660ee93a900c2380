"""A file that the record names, wherever its bytes are kept."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.files.stores import FileStore


@dataclass(frozen=True)
class KeptFile:
    """The file of a key in a store.

    Every method raises ``FileNotFoundError`` where it is gone, and ``OSError`` where it cannot be read.
    """

    store: FileStore
    key: str

    def read_bytes(self) -> bytes:
        """All of it."""
        with self.store.open(self.key) as file:
            return file.read()

    def read_text(self) -> str:
        """All of it, which is UTF-8."""
        return self.read_bytes().decode()

    def stamp(self) -> str:
        """Another text once it was written to since."""
        return self.store.stamp(self.key)
