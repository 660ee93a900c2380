"""Members of a zip archive, each unpacked on its own and never onto the disk."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from cartl_core.data.incoming.reading.members import CHUNK, Member, Meter, Seen, safe_parts, shown
from cartl_core.data.incoming.reading.zip_directory import LEAST_ROOM, GuardedFile, read_directory
from cartl_core.data.incoming.rejection import Rejected, Unusable

METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}
ENCRYPTED = 0x1 | 0x40 | 0x2000
_LOCAL_HEADER = 30
_UTF_8 = 0x800
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)


@contextmanager
def opened_zip(content: Path, meter: Meter) -> Iterator[tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]]:
    """The archive and its members, folders left out, in the order in which they lie; all of them checked.

    Raises:
        Rejected: the archive is damaged, too large or unsafe.
    """
    length = content.stat().st_size
    with content.open("rb") as file:
        directory = read_directory(file, length, meter.limits)
    with GuardedFile(content, max(directory.size, LEAST_ROOM + CHUNK)) as guarded:
        try:
            archive = zipfile.ZipFile(guarded)
        except (*DAMAGED, ValueError, OverflowError) as error:
            raise Rejected("unreadable", f"the directory of the archive cannot be read: {error}") from error
        with archive:
            entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
            _check_overlaps(entries, directory.start)
            for entry in entries:
                meter.count_entry()
                _check(entry)
            yield archive, [entry for entry in entries if not entry.orig_filename.endswith("/")]


def zip_members(content: Path, meter: Meter) -> Iterator[Member]:
    """The files of the archive.

    Raises:
        Rejected: as ``opened_zip``, or a name is unsafe or comes twice.
    """
    seen = Seen()
    with opened_zip(content, meter) as (archive, entries):
        for position, entry in enumerate(entries):
            parts = safe_parts(name_of(entry), meter.limits)
            seen.add(parts)
            yield Member(parts, position / len(entries), partial(_read, archive, entry, meter))


def name_of(entry: zipfile.ZipInfo) -> str:
    """As it is written in the archive; many programs write UTF-8 and do not say so."""
    name = entry.orig_filename
    if entry.flag_bits & _UTF_8 or name.isascii():
        return name
    return name.encode("cp437").decode("utf-8", "surrogateescape")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, meter: Meter) -> bytes:
    try:
        with archive.open(entry) as stream:
            return meter.read_all(stream)
    except DAMAGED as error:
        raise Unusable("damaged") from error


def _check(entry: zipfile.ZipInfo) -> None:
    name = shown(entry.orig_filename)
    if entry.flag_bits & ENCRYPTED:
        raise Rejected("unreadable", f"{name!r} is encrypted; allowed: an archive without a password")
    if entry.compress_type not in METHODS:
        allowed = " or ".join(METHODS.values())
        raise Rejected(
            "unreadable", f"{name!r} is packed by method {entry.compress_type}; allowed: {allowed}"
        )
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Rejected("archive_unsafe", f"{name!r} is a link or a device; allowed: files and folders")


def _check_overlaps(entries: list[zipfile.ZipInfo], end: int) -> None:
    """No two members share bytes: a small file would unpack to a large one over and over."""
    begins = [*(entry.header_offset for entry in entries), end]
    for entry, following in zip(entries, begins[1:], strict=True):
        length = _LOCAL_HEADER + len(entry.orig_filename) + entry.compress_size
        if entry.header_offset < 0 or entry.header_offset + length > following:
            raise Rejected("archive_unsafe", f"{shown(entry.orig_filename)!r} overlaps what comes after it")
