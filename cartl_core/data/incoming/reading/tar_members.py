"""Members of a tar archive, read once from front to back and never onto the disk.

The standard library parses each header of 512 bytes. What may follow a header (long names, extended
headers) is read here, because it would read as many bytes as a header claims.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from cartl_core.data.incoming.reading.decompression import Unpacked
from cartl_core.data.incoming.reading.members import LONGEST_NAME, Member, Meter, Seen, safe_parts, shown
from cartl_core.data.incoming.rejection import Rejected

BLOCK = tarfile.BLOCKSIZE
LONGEST_HEADER = 2**18
"""Bytes of an extended header; names have at most 4096."""
MOST_HEADERS = 8
"""Extended headers before one member."""
MOST_DIGITS = 19
"""Of a number in an extended header."""

FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
LONG_NAME, LONG_LINK, EXTENDED, GLOBAL = b"L", b"K", b"x", b"g"
LINKS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}
SPARSE_KEY = "GNU.sparse."


@dataclass
class _Ahead:
    """What extended headers say of the member that comes next."""

    name: str | None = None
    size: int | None = None
    sparse: bool = False
    headers: int = field(default=0)


def tar_members(content: Path, compression: str | None, meter: Meter) -> Iterator[Member]:
    """The files of the archive; each must be read before the next one is asked for, or is passed over.

    Raises:
        Rejected: the archive is damaged, cut off, unsafe or larger than the limits.
    """
    length = content.stat().st_size
    seen = Seen()
    with content.open("rb") as file:
        archive = Unpacked(file, compression, meter)
        for name, size in _entries(archive, meter):
            parts = safe_parts(name, meter.limits)
            seen.add(parts)
            body = _Body(archive, size)
            yield Member(parts, _done(file, length), partial(meter.read_all, body, counted=False))
            archive.skip(body.left + -size % BLOCK)


def _done(file: BinaryIO, length: int) -> float:
    return min(1.0, file.tell() / length)


class _Body:
    """The bytes of one member."""

    def __init__(self, archive: Unpacked, size: int) -> None:
        self._archive, self.left = archive, size

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; raises ``Rejected`` where the archive ends within the member."""
        wanted = min(size, self.left)
        found = self._archive.read(wanted)
        self.left -= len(found)
        if len(found) < wanted:
            raise Rejected("unreadable", "the archive is cut off")
        return found


def _entries(archive: Unpacked, meter: Meter) -> Iterator[tuple[str, int]]:
    """Name and bytes of each file; whoever takes one reads or skips its bytes and the padding."""
    ahead = _Ahead()
    while (header := _header(archive)) is not None:
        if header.type in (LONG_NAME, LONG_LINK, EXTENDED, GLOBAL):
            _read_ahead(archive, header, ahead)
            continue
        name = header.name if ahead.name is None else ahead.name
        size = header.size if ahead.size is None else ahead.size
        if ahead.sparse or header.type == tarfile.GNUTYPE_SPARSE:
            raise Rejected("unreadable", f"{shown(name)!r} is a sparse file, which is not read")
        if header.type in LINKS:
            raise Rejected(
                "archive_unsafe",
                f"{shown(name)!r} is {LINKS[header.type]}; allowed: files and folders",
            )
        meter.count_entry()
        ahead = _Ahead()
        if header.type in FILES and not name.endswith("/"):
            yield name, size
        elif header.type in (*FILES, tarfile.DIRTYPE):
            safe_parts(name.rstrip("/") or ".", meter.limits)
            archive.skip(size + -size % BLOCK)
        else:
            raise Rejected("unreadable", f"{shown(name)!r} is of the unknown type {header.type!r}")


def _header(archive: Unpacked) -> tarfile.TarInfo | None:
    """The next header; None at the mark that ends an archive."""
    block = archive.read(BLOCK)
    if len(block) < BLOCK:
        raise Rejected("unreadable", "the archive is cut off: it does not end with the mark of its end")
    if not block.strip(b"\0"):
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError, OverflowError) as error:
        raise Rejected("unreadable", "the archive is damaged, or no tar archive") from error
    if header.size < 0:
        raise Rejected("unreadable", f"{shown(header.name)!r} has a negative size")
    return header


def _read_ahead(archive: Unpacked, header: tarfile.TarInfo, ahead: _Ahead) -> None:
    ahead.headers += 1
    if header.size > LONGEST_HEADER or ahead.headers > MOST_HEADERS:
        raise Rejected("archive_unsafe", "a member has an extended header beyond reason")
    content = archive.read(header.size)
    archive.skip(-header.size % BLOCK)
    if len(content) < header.size:
        raise Rejected("unreadable", "the archive is cut off")
    if header.type == LONG_NAME:
        ahead.name = _text(content.rstrip(b"\0"))
    elif header.type in (EXTENDED, GLOBAL):
        _apply(_records(content), ahead)


def _apply(records: dict[str, bytes], ahead: _Ahead) -> None:
    ahead.sparse |= any(key.startswith(SPARSE_KEY) for key in records)
    if "path" in records:
        ahead.name = _text(records["path"])
    if "size" in records:
        ahead.size = _number(records["size"])


def _records(content: bytes) -> dict[str, bytes]:
    """The records ``LENGTH KEY=VALUE`` of an extended header, where LENGTH counts itself, too."""
    found, start, content = {}, 0, content.rstrip(b"\0")
    while start < len(content):
        length, _, _ = content[start : start + MOST_DIGITS + 1].partition(b" ")
        end = start + _number(length)
        key, equals, value = content[start + len(length) + 1 : end - 1].partition(b"=")
        if not start + len(length) + 1 < end <= len(content) or not equals or content[end - 1] != ord("\n"):
            raise Rejected("unreadable", "an extended header of the archive is damaged")
        found[key.decode("utf-8", "replace")] = value
        start = end
    return found


def _number(digits: bytes) -> int:
    if not (digits.isdigit() and len(digits) <= MOST_DIGITS):
        raise Rejected("unreadable", "an extended header of the archive is damaged")
    return int(digits)


def _text(name: bytes) -> str:
    return name[: LONGEST_NAME + 1].decode("utf-8", "surrogateescape")
