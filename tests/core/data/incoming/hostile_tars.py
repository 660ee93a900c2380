"""Tar archives that are damaged or made to harm."""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable

from tests.core.data.incoming.contents import (
    Case,
    before_the_end,
    header,
    padded,
    pets,
    png,
    tarred,
    zipped,
)

PICTURE = padded(png(999))
SIZE = len(png(999))


def ending_with(blocks: bytes) -> Callable[[], bytes]:
    """A good archive with more blocks."""
    return lambda: before_the_end(tarred(pets()), blocks)


def link(kind: bytes) -> Callable[[], bytes]:
    return ending_with(header("cat/x.png", kind=kind, linkname="/etc/passwd"))


def extended(content: bytes, size: int | None = None, kind: bytes = b"x") -> bytes:
    """An extended header."""
    return header("pax", len(content) if size is None else size, kind) + padded(content)


def record(text: bytes) -> bytes:
    length = len(text) + 2
    while len(str(length)) + 1 + len(text) + 1 != length:
        length = len(str(length)) + 1 + len(text) + 1
    return str(length).encode() + b" " + text + b"\n"


def spoiled(at: int) -> bytes:
    good = bytearray(tarred(pets()))
    good[at] ^= 0xFF
    return bytes(good)


def negative_size() -> bytes:
    block = bytearray(header("cat/x.png"))
    block[124:136] = b"\xff" * 12
    block[148:156] = b"%06o\0 " % (256 + sum(block[:148]) + sum(block[156:]))
    return before_the_end(tarred(pets()), bytes(block))


def hungry_xz() -> bytes:
    """Asks for a dictionary of 1 GiB."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**20}]
    packed = bytearray(lzma.compress(tarred(pets()), filters=filters))
    at = packed.index(b"\x21\x01", 12) + 2
    packed[at] = 36
    size = (packed[12] + 1) * 4
    packed[12 + size - 4 : 12 + size] = zlib.crc32(bytes(packed[12 : 12 + size - 4])).to_bytes(4, "little")
    return bytes(packed)


TARS = {
    "leads upwards": Case(ending_with(header("../x.png", SIZE) + PICTURE), "archive_unsafe", "leads upwards"),
    "absolute": Case(ending_with(header("/x.png", SIZE) + PICTURE), "archive_unsafe", "is absolute"),
    "folder that leads upwards": Case(
        ending_with(header("cat/../..", kind=tarfile.DIRTYPE)), "archive_unsafe", "leads upwards"
    ),
    "leads upwards in an extended header": Case(
        ending_with(extended(record(b"path=../../x.png")) + header("cat/x.png", SIZE) + PICTURE),
        "archive_unsafe",
        "leads upwards",
    ),
    "leads upwards in a long name": Case(
        ending_with(extended(b"../x.png\0", kind=b"L") + header("cat/x.png", SIZE) + PICTURE),
        "archive_unsafe",
        "leads upwards",
    ),
    "endless name in an extended header": Case(
        ending_with(extended(record(b"path=" + b"x" * 9999)) + header("cat/x.png", SIZE) + PICTURE),
        "archive_unsafe",
        "is too long",
    ),
    "name in no UTF-8": Case(
        lambda: before_the_end(
            tarred(pets()), extended(b"cat/\xff\xfe.png", kind=b"L") + header("x", SIZE) + PICTURE
        ),
        "archive_unsafe",
        "UTF-8",
    ),
    "symbolic link": Case(link(tarfile.SYMTYPE), "archive_unsafe", "is a symbolic link"),
    "hard link": Case(link(tarfile.LNKTYPE), "archive_unsafe", "is a hard link"),
    "character device": Case(link(tarfile.CHRTYPE), "archive_unsafe", "is a device"),
    "block device": Case(link(tarfile.BLKTYPE), "archive_unsafe", "is a device"),
    "pipe": Case(link(tarfile.FIFOTYPE), "archive_unsafe", "is a pipe"),
    "link behind a long name": Case(
        ending_with(extended(b"/etc/passwd\0", kind=b"K") + header("cat/x.png", kind=tarfile.SYMTYPE)),
        "archive_unsafe",
        "is a symbolic link",
    ),
    "file without a name": Case(ending_with(header("", SIZE) + PICTURE), "archive_unsafe", "no name"),
    "file called as the top folder": Case(
        ending_with(header(".", SIZE) + PICTURE), "archive_unsafe", "no name"
    ),
    "one name twice": Case(
        ending_with(header("cat/./00.png", SIZE) + PICTURE), "archive_unsafe", "two members are called"
    ),
    "unknown type": Case(ending_with(header("x", kind=b"Q")), "unreadable", "unknown type"),
    "sparse": Case(ending_with(header("cat/x.png", kind=b"S")), "unreadable", "sparse"),
    "sparse in an extended header": Case(
        ending_with(extended(record(b"GNU.sparse.size=9999999999")) + header("cat/x.png")),
        "unreadable",
        "sparse",
    ),
    "endless extended header": Case(
        ending_with(header("pax", 2**33, b"x")), "archive_unsafe", "extended header beyond reason"
    ),
    "endless long name": Case(
        ending_with(header("long", 2**33, b"L")), "archive_unsafe", "extended header beyond reason"
    ),
    "endless row of extended headers": Case(
        ending_with(extended(b"cat/x.png", kind=b"L") * 50), "archive_unsafe", "extended header beyond"
    ),
    "record longer than its header": Case(
        ending_with(extended(b"99 path=x\n")), "unreadable", "extended header of the archive is damaged"
    ),
    "record of an endless number": Case(
        ending_with(extended(b"9" * 400 + b" path=x\n")), "unreadable", "extended header"
    ),
    "record of a negative size": Case(
        ending_with(extended(record(b"size=-5")) + header("cat/x.png")), "unreadable", "extended header"
    ),
    "size beyond the end": Case(ending_with(header("cat/x.txt", 2**30)), "unreadable", "cut off"),
    "image beyond the end": Case(
        lambda: tarred(pets())[:-10240] + header("cat/x.png", 2000) + PICTURE[:512], "unreadable", "cut off"
    ),
    "negative size": Case(negative_size, "unreadable", ""),
    "damaged header": Case(lambda: spoiled(1024 + 5), "unreadable", "damaged, or no tar archive"),
    "damaged first header": Case(lambda: spoiled(5), "unreadable", "no known archive"),
    "cut between members": Case(lambda: tarred(pets())[: 4 * 1024], "unreadable", "cut off"),
    "cut within a member": Case(lambda: tarred(pets())[:700], "unreadable", "cut off"),
    "many members": Case(
        lambda: tarred({f"cat/{n}.txt": b"" for n in range(201)}), "archive_too_large", "200 members"
    ),
    "many folders": Case(
        lambda: before_the_end(
            tarred(pets()), b"".join(header(f"d{n}", kind=tarfile.DIRTYPE) for n in range(201))
        ),
        "archive_too_large",
        "200 members",
    ),
    "too deep": Case(ending_with(header("a/b/c/d/e/f/x.png")), "archive_too_large", "6 folders deep"),
    "gzip bomb": Case(
        lambda: tarred({"cat/x.txt": bytes(2**26)}, "w:gz"), "archive_too_large", "unpacks to more than"
    ),
    "bzip2 bomb": Case(
        lambda: tarred({"cat/x.txt": bytes(2**24)}, "w:bz2"), "archive_too_large", "unpacks to more than"
    ),
    "xz bomb": Case(
        lambda: tarred({"cat/x.txt": bytes(2**24)}, "w:xz"), "archive_too_large", "unpacks to more than"
    ),
    "xz that asks for memory": Case(hungry_xz, "unreadable", "xz stream is damaged"),
    "gzip cut off": Case(lambda: tarred(pets(), "w:gz")[:-500], "unreadable", "cut off"),
    "gzip damaged": Case(
        lambda: tarred(pets(), "w:gz")[:1000] + bytes(64) + tarred(pets(), "w:gz")[1064:], "unreadable", ""
    ),
    "bzip2 damaged": Case(lambda: tarred(pets(), "w:bz2")[:99] + bytes(5000), "unreadable", "bzip2"),
    "xz cut off": Case(lambda: tarred(pets(), "w:xz")[:3000], "unreadable", ""),
    "gzip of empty streams": Case(
        lambda: gzip.compress(b"") * 5000 + tarred(pets(), "w:gz"), "archive_unsafe", "empty streams"
    ),
    "gzip of no archive": Case(lambda: gzip.compress(b"hello" * 500), "unreadable", "no tar archive"),
    "gzip of a gzip": Case(lambda: gzip.compress(tarred(pets(), "w:gz")), "unreadable", "no tar archive"),
    "gzip of a zip": Case(lambda: gzip.compress(zipped(pets())), "unreadable", "no tar archive"),
    "nothing in it": Case(lambda: bytes(10240), "too_few_classes", "0 images"),
    "7z": Case(lambda: b"7z\xbc\xaf\x27\x1c" + bytes(600), "unreadable", "a 7z archive"),
    "RAR": Case(lambda: b"Rar!\x1a\7\0" + bytes(600), "unreadable", "a RAR archive"),
    "zstd": Case(lambda: b"\x28\xb5\x2f\xfd" + bytes(600), "unreadable", "a zstd archive"),
    "one image": Case(lambda: png(0), "unreadable", "a single image"),
    "text": Case(lambda: b"hello", "unreadable", "no known archive"),
    "no byte": Case(lambda: b"", "unreadable", "no known archive"),
    "larger than allowed": Case(lambda: bytes(4 * 2**20 + 1), "archive_too_large", "4,194,305 bytes"),
}
