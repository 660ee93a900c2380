"""A file on its way to the disk: it appears under its name whole and checked, or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from cartl.http.downloads import is_there
from cartl.http.problems import FileDamaged, NotUsable
from cartl.library.values import File

ALL = "all"


def chosen(files: tuple[File, ...], name: str) -> tuple[File, ...]:
    """The file of this name, or every one for ``all``.

    Raises:
        NotUsable: there is no such file.
    """
    found = files if name == ALL else tuple(file for file in files if file.name == name)
    if name != ALL and not found:
        there = ", ".join(file.name for file in files) or "none yet"
        raise NotUsable(f"the job has no file {name[:80]!a}; there are: {there}")
    return found


class Incoming:
    """One file that is being downloaded into a folder.

    Attributes:
        name: as the service calls it.
    """

    def __init__(self, file: File, folder: Path) -> None:
        self.name = file.name
        self._file = file
        self._folder = folder
        self._part = folder / f".{file.name}.incoming"
        self._output: BinaryIO | None = None
        self._sum = hashlib.sha256()
        self._size = 0

    @property
    def target(self) -> Path:
        """Where it will be."""
        return self._folder / self.name

    @property
    def there(self) -> bool:
        """Whether it is there already, equal to the letter.

        Raises:
            NotUsable: something else is there.
        """
        return is_there(self.target, self._file.sha256)

    def begin(self) -> None:
        """Begin anew: an attempt before this one broke off."""
        self.discard()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._output, self._sum, self._size = self._part.open("wb"), hashlib.sha256(), 0

    def write(self, piece: bytes) -> None:
        """Take the next piece.

        Raises:
            FileDamaged: it is more than the file has.
        """
        assert self._output is not None, "begun"
        self._size += len(piece)
        if self._size > self._file.size:
            raise FileDamaged(f"{self.name} has more than the {self._file.size} bytes that it should have")
        self._sum.update(piece)
        self._output.write(piece)

    def finish(self) -> Path:
        """Give the file its name; returns where it is.

        Raises:
            FileDamaged: its SHA-256 is not the one that the service names.
        """
        assert self._output is not None, "begun"
        self._output.close()
        if self._sum.hexdigest() != self._file.sha256:
            raise FileDamaged(
                f"{self.name} is not as the service keeps it (its SHA-256 differs); it was not stored"
            )
        self._part.replace(self.target)
        return self.target

    def discard(self) -> None:
        """Forget what came so far; after ``finish`` nothing is left to forget."""
        if self._output is not None:
            self._output.close()
            self._part.unlink(missing_ok=True)
