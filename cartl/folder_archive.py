"""A folder of class folders as a tar archive that is made while it is sent.

The size of a tar archive follows from the sizes of its files, so a request can say how long it is before
a byte is read, and nothing is written to the disk. The same files give the same bytes on every machine:
members are ordered by name and have no owner and no time.

    archive = FolderArchive.of(Path("pets"))
    client.put(..., content=archive.chunks(tell), headers={"Content-Length": str(archive.size)})
"""

from __future__ import annotations

import os
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cartl.http.problems import NotUsable
from cartl_core.spec.resources.image_names import skipped_by_name
from cartl_core.spec.visible_text import visible

CHUNK = 2**18
"""Bytes that are read at once."""
END = bytes(2 * tarfile.BLOCKSIZE)

Tell = Callable[[int, int], None]
"""Told how many bytes have been given, and of how many."""


class FolderRefused(NotUsable):
    """The folder cannot be sent."""


@dataclass(frozen=True)
class ArchivedFile:
    """One image, and how the archive calls it."""

    path: Path
    name: str
    """Relative to the folder, with slashes."""
    size: int

    @property
    def header(self) -> bytes:
        """What stands before its bytes."""
        info = tarfile.TarInfo(self.name)
        info.size, info.mode = self.size, 0o644
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8")

    @property
    def padding(self) -> int:
        """Zeros after its bytes."""
        return -self.size % tarfile.BLOCKSIZE


@dataclass(frozen=True)
class FolderArchive:
    """The images of a folder, ready to be sent."""

    files: tuple[ArchivedFile, ...]
    skipped: tuple[tuple[str, str], ...]
    """Files that are not sent: name and reason, as the check of a data set would give it."""

    @classmethod
    def of(cls, folder: Path) -> FolderArchive:
        """Look at every file below ``folder``, by name and size alone.

        Raises:
            FolderRefused: it is no folder that can be read, holds no images, or a link leads out of it.
        """
        inside = folder.resolve()
        files: list[ArchivedFile] = []
        skipped: list[tuple[str, str]] = []
        try:
            for path in _files(inside, inside):
                name = _name_of(path, inside)
                reason = skipped_by_name(name.split("/"))
                if reason is None:
                    files.append(ArchivedFile(path, name, path.stat().st_size))
                else:
                    skipped.append((name, reason))
        except OSError as error:
            named = visible(Path(error.filename or folder).name)
            raise FolderRefused(f"{named} cannot be read: {error.strerror}") from error
        if not files:
            raise FolderRefused(f"{visible(folder.name)} holds no images in class folders")
        return cls(tuple(files), tuple(skipped))

    @cached_property
    def size(self) -> int:
        """Bytes of the archive; headers are made for it, so it is asked once."""
        return sum(len(file.header) + file.size + file.padding for file in self.files) + len(END)

    @property
    def skipped_by_reason(self) -> dict[str, int]:
        """How many files are not sent, for each reason."""
        return dict(sorted(Counter(reason for _, reason in self.skipped).items()))

    def chunks(self, tell: Tell = lambda given, size: None) -> Iterator[bytes]:
        """The bytes of the archive, ``size`` of them.

        Raises:
            FolderRefused: a file was changed since it was looked at, or cannot be read.
        """
        given, size = 0, self.size
        for chunk in self._parts():
            given += len(chunk)
            tell(given, size)
            yield chunk

    def _parts(self) -> Iterator[bytes]:
        for file in self.files:
            yield file.header
            yield from _content(file)
            if file.padding:
                yield bytes(file.padding)
        yield END


def _files(folder: Path, inside: Path) -> Iterator[Path]:
    """Every file below ``folder``, ordered by names; links to files within ``inside`` are followed."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if entry.is_symlink():
            _check_link(path, inside)
        if entry.is_dir():
            yield from _files(path, inside)
        elif entry.is_file():
            yield path
        else:
            raise FolderRefused(f"{_name_of(path, inside)} is neither file nor folder")


def _check_link(path: Path, inside: Path) -> None:
    try:
        target = path.resolve()
    except (RuntimeError, OSError) as error:
        raise FolderRefused(f"{_name_of(path, inside)} is a link that leads round in a circle") from error
    if not target.is_relative_to(inside):
        raise FolderRefused(f"{_name_of(path, inside)} is a link that leads out of the folder")
    if not path.is_file():
        raise FolderRefused(f"{_name_of(path, inside)} is a link that leads to no file")


def _name_of(path: Path, inside: Path) -> str:
    name = path.relative_to(inside).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise FolderRefused(f"the name {name!a} is no UTF-8 text") from error
    return name


def _content(file: ArchivedFile) -> Iterator[bytes]:
    """Exactly the bytes that the header announced."""
    left = file.size
    try:
        with file.path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                left -= len(chunk)
                if left < 0:
                    break
                yield chunk
    except OSError as error:
        raise FolderRefused(f"{visible(file.name)} cannot be read: {error.strerror}") from error
    if left:
        raise FolderRefused(f"{visible(file.name)} was changed while it was sent; send the folder again")
