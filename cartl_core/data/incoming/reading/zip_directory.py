"""The directory of a zip archive, bounded before the standard library reads it.

``zipfile`` takes the whole directory into memory, however large its last record says it is, and keeps an
object for each entry. So the directory is walked once here, and ``zipfile`` may read exactly that part.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cartl_core.data.incoming.reading.members import LONGEST_NAME
from cartl_core.data.incoming.rejection import Rejected
from cartl_core.spec.resources.dataset import DatasetLimits

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s24x3H12x")
_LONGEST_COMMENT = 2**16
LEAST_ROOM, ROOM_PER_ENTRY, LONGEST_EXTRA = 2**16, 512, 4096
"""Bytes that a directory may have: at least, for each allowed entry, and of one entry's extra fields."""


@dataclass(frozen=True)
class Directory:
    """Where the directory begins, and how many bytes and entries it has."""

    start: int
    size: int
    entries: int


def read_directory(file: BinaryIO, length: int, limits: DatasetLimits) -> Directory:
    """Walk the directory of the archive of ``length`` bytes, entry by entry.

    Raises:
        Rejected: it is not whole, not where it says it is, or larger than the limits.
    """
    directory = _announced(file, length)
    if directory.entries > limits.entries:
        raise Rejected(
            "archive_too_large", f"it has {directory.entries:,} members; allowed: {limits.entries:,}"
        )
    if directory.size > max(LEAST_ROOM, ROOM_PER_ENTRY * limits.entries):
        raise Rejected("archive_too_large", f"its directory has {directory.size:,} bytes")
    _walk(file, directory)
    return directory


def _announced(file: BinaryIO, length: int) -> Directory:
    """What the last record says, in 64 bits where there is such a record."""
    begin = max(0, length - _END.size - _LONGEST_COMMENT)
    file.seek(begin)
    tail = file.read(length - begin)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise Rejected("unreadable", "the archive is cut off: it has no directory at its end")
    _, disk, first_disk, here, entries, size, start, _ = _END.unpack_from(tail, at)
    end = begin + at
    wide = _announced_in_64_bits(file, end)
    if wide is not None:
        end, (disk, first_disk, here, entries, size, start) = end - _LOCATOR.size - _END_64.size, wide
    if disk or first_disk or here != entries:
        raise Rejected("unreadable", "it is one part of an archive of several files")
    if start + size != end:
        raise Rejected("unreadable", "the directory of the archive is not where its last record says")
    return Directory(start, size, entries)


def _announced_in_64_bits(file: BinaryIO, end: int) -> tuple[int, ...] | None:
    begin = end - _LOCATOR.size - _END_64.size
    if begin < 0:
        return None
    file.seek(begin)
    found = file.read(_END_64.size + _LOCATOR.size)
    if found[_END_64.size :][:4] != b"PK\6\7":
        return None
    name, *_, disk, first_disk, here, entries, size, start = _END_64.unpack_from(found)
    if name != b"PK\6\6":
        raise Rejected("unreadable", "the last record of the archive is damaged")
    return disk, first_disk, here, entries, size, start


def _walk(file: BinaryIO, directory: Directory) -> None:
    left, found = directory.size, 0
    file.seek(directory.start)
    while left >= _ENTRY.size:
        name, *lengths = _ENTRY.unpack(file.read(_ENTRY.size))
        if name != b"PK\1\2":
            raise Rejected("unreadable", "the directory of the archive is damaged")
        if lengths[0] > LONGEST_NAME:
            raise Rejected("archive_unsafe", f"a member's name has {lengths[0]:,} bytes")
        if max(lengths[1:]) > LONGEST_EXTRA:
            raise Rejected("archive_unsafe", "a member has more than a name in the directory")
        file.seek(sum(lengths), io.SEEK_CUR)
        left -= _ENTRY.size + sum(lengths)
        found += 1
    if left or found != directory.entries:
        raise Rejected("unreadable", f"the directory has {found:,} members, not {directory.entries:,}")


class GuardedFile(io.FileIO):
    """The archive, of which nothing larger than its directory is given at once."""

    def __init__(self, path: Path, most: int) -> None:
        super().__init__(path)
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        """As of a file; raises ``Rejected`` where more is asked for than was walked through."""
        if size is None or size < 0:
            here = self.tell()
            size = self.seek(0, io.SEEK_END) - here
            self.seek(here)
        if size > self._most:
            raise Rejected("archive_unsafe", "the archive has a second directory")
        return super().read(size) or b""
