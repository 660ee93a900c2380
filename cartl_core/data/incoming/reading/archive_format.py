"""What a file is, by its first bytes; its name does not count."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

from cartl_core.data.incoming.reading.members import Member, Meter
from cartl_core.data.incoming.reading.tar_members import tar_members
from cartl_core.data.incoming.reading.zip_members import zip_members
from cartl_core.data.incoming.rejection import Rejected

COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}
ZIP = (b"PK\3\4", b"PK\5\6")
NOT_READ = {
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"\x93NUMPY": "a single .npy array",
    b"\x89HDF": "an HDF5 file",
    b"\x89PNG": "a single image",
    b"\xff\xd8\xff": "a single image",
}
"""What people may send, and what is said of it."""
ALLOWED = "allowed: .zip, .tar, .tar.gz, .tar.bz2, .tar.xz or .npz"


def is_zip(content: Path) -> bool:
    """True for a zip archive, which an .npz is, too."""
    return _begins(content).startswith(ZIP)


def archive_members(content: Path, meter: Meter) -> Iterator[Member]:
    """The files of an archive of any format that is read.

    Raises:
        Rejected: it is no such archive, or damaged or unsafe.
    """
    begin = _begins(content)
    if begin.startswith(ZIP):
        return zip_members(content, meter)
    for magic, compression in COMPRESSIONS.items():
        if begin.startswith(magic):
            return tar_members(content, compression, meter)
    if _is_tar(begin):
        return tar_members(content, None, meter)
    what = next((said for magic, said in NOT_READ.items() if begin.startswith(magic)), "no known archive")
    raise Rejected("unreadable", f"the content is {what}; {ALLOWED}")


def _begins(content: Path) -> bytes:
    with content.open("rb") as file:
        return file.read(tarfile.BLOCKSIZE)


def _is_tar(begin: bytes) -> bool:
    """Its first header has a right checksum, or it is an archive without members."""
    if len(begin) == tarfile.BLOCKSIZE and not begin.strip(b"\0"):
        return True
    try:
        tarfile.TarInfo.frombuf(begin, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError, OverflowError):
        return False
    return True
