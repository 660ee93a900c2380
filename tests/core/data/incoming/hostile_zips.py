"""Zip archives that are damaged or made to harm."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Callable

from tests.core.data.incoming.contents import Case, pets, png, zipped, zipped_as

END = struct.Struct("<4s4H2LH")


def named(name: str) -> Callable[[], bytes]:
    def change(info: zipfile.ZipInfo) -> None:
        info.filename = name

    return lambda: zipped_as(pets(), "cat/x.png", change)


def with_mode(mode: int) -> Callable[[], bytes]:
    def change(info: zipfile.ZipInfo) -> None:
        info.create_system, info.external_attr = 3, mode << 16

    return lambda: zipped_as(pets(), "cat/x.png", change)


def patched(before: bytes, after: bytes) -> Callable[[], bytes]:
    """A good archive in which bytes are replaced everywhere."""

    def build() -> bytes:
        good = zipped(pets() | {"cat/XX.png": png(999)})
        assert before in good
        return good.replace(before, after)

    return build


def flagged(bits: int) -> bytes:
    """Sets flags of every member, in local headers and in the directory."""
    good = bytearray(zipped(pets()))
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = 0
        while (start := good.find(mark, start)) >= 0:
            good[start + at] |= bits
            start += 4
    return bytes(good)


def ended(**values: int) -> Callable[[], bytes]:
    """Changes the last record; ``disk, first, here, entries, size, start``."""

    def build() -> bytes:
        good = zipped(pets())
        names = ("disk", "first", "here", "entries", "size", "start")
        fields = dict(zip(names, END.unpack(good[-END.size :])[1:7], strict=True)) | values
        return good[: -END.size] + END.pack(b"PK\5\6", *(fields[name] for name in names), 0)

    return build


def overlapping() -> bytes:
    """Every entry of the directory points to the first member."""
    good = bytearray(zipped(pets()))
    start = 0
    while (start := good.find(b"PK\1\2", start)) >= 0:
        good[start + 42 : start + 46] = bytes(4)
        start += 4
    return bytes(good)


def in_64_bits(entries: int, size: int) -> bytes:
    """A last record of 64 bits that lies."""
    good = zipped(pets())
    end = len(good) - END.size
    wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, size, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    return good[:end] + wide + locator + END.pack(b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)


def lying_about_size() -> bytes:
    """Members that say they have ten bytes and unpack to 64 KiB."""
    names = [f"cat/{number}.png" for number in range(20)]
    bomb = bytearray(zipped({name: bytes(2**16) for name in names}))
    for mark, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        start = 0
        while (start := bomb.find(mark, start)) >= 0:
            bomb[start + at : start + at + 4] = struct.pack("<L", 10)
            start += 4
    return bytes(bomb)


def twice() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in pets().items():
            archive.writestr(name, content)
        archive.writestr(zipfile.ZipInfo("./cat//00.png"), png(999))
    return stream.getvalue()


def nameless() -> bytes:
    stream = io.BytesIO(zipped(pets()))
    with zipfile.ZipFile(stream, "a") as archive:
        info = zipfile.ZipInfo("x")
        info.filename = ""
        archive.writestr(info, b"", zipfile.ZIP_STORED)
    return stream.getvalue()


def with_a_comment(comment: bytes) -> bytes:
    stream = io.BytesIO(zipped(pets()))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.comment = comment
    return stream.getvalue()


ZIPS = {
    "leads upwards": Case(named("../x.png"), "archive_unsafe", "leads upwards"),
    "leads upwards from within": Case(named("cat/../../x.png"), "archive_unsafe", "leads upwards"),
    "absolute": Case(named("/etc/x.png"), "archive_unsafe", "is absolute"),
    "drive letter": Case(named("C:/x.png"), "archive_unsafe", "is absolute"),
    "backslashes": Case(named("cat\\..\\x.png"), "archive_unsafe", "holds a backslash"),
    "NUL in a name": Case(named("cat/x.png\0.txt"), "archive_unsafe", "holds a NUL"),
    "endless name": Case(named("cat/" + "x/" * 3000 + "x.png"), "archive_unsafe", "bytes"),
    "long part of a name": Case(named("cat/" + "x" * 300 + ".png"), "archive_unsafe", "is too long"),
    "name in no UTF-8": Case(patched(b"cat/XX", b"cat/\xff\xfe"), "archive_unsafe", "UTF-8"),
    "class that reorders text": Case(named("cat\u202e/x.png"), "archive_unsafe", "U+202E"),
    "class of zero width": Case(named("ca\u200bt/x.png"), "archive_unsafe", "U+200B"),
    "class of spaces": Case(named(" /x.png"), "archive_unsafe", "the class ' '"),
    "long class": Case(named("c" * 150 + "/x.png"), "archive_unsafe", "150 characters"),
    "too deep": Case(named("cat/a/b/c/d/e/x.png"), "archive_too_large", "6 folders deep"),
    "no name": Case(patched(b"cat/XX.png", b"\0" * 10), "archive_unsafe", "holds a NUL"),
    "empty name": Case(nameless, "archive_unsafe", "has no name"),
    "name of the top folder": Case(named("./."), "archive_unsafe", "has no name"),
    "one name twice": Case(twice, "archive_unsafe", "two members are called 'cat/00.png'"),
    "symbolic link": Case(with_mode(stat.S_IFLNK | 0o777), "archive_unsafe", "is a link or a device"),
    "device": Case(with_mode(stat.S_IFCHR | 0o600), "archive_unsafe", "is a link or a device"),
    "pipe": Case(with_mode(stat.S_IFIFO | 0o600), "archive_unsafe", "is a link or a device"),
    "encrypted": Case(lambda: flagged(0x1), "unreadable", "is encrypted"),
    "strongly encrypted": Case(lambda: flagged(0x41), "unreadable", "is encrypted"),
    "packed by bzip2": Case(lambda: zipped(pets(), zipfile.ZIP_BZIP2), "unreadable", "method 12"),
    "packed by LZMA": Case(lambda: zipped(pets(), zipfile.ZIP_LZMA), "unreadable", "method 14"),
    "bomb": Case(
        lambda: zipped(pets() | {f"cat/{n}.png": bytes(3 * 2**20) for n in range(9)}),
        "archive_too_large",
        "unpacks to more than 8,388,608 bytes",
    ),
    "bomb that lies about its size": Case(lying_about_size, "unreadable", "20 of 20 image files"),
    "many members": Case(
        lambda: zipped({f"cat/{n}.txt": b"" for n in range(201)}), "archive_too_large", "201 members"
    ),
    "many members that lie about it": Case(ended(here=1, entries=1), "unreadable", "24 members, not 1"),
    "many classes": Case(
        lambda: zipped({f"{n}/x.png": png(n) for n in range(11)}), "archive_too_large", "11 classes"
    ),
    "members that overlap": Case(overlapping, "archive_unsafe", "overlaps"),
    "cut in half": Case(lambda: zipped(pets())[:2000], "unreadable", "cut off"),
    "cut at its end": Case(lambda: zipped(pets())[:-9], "unreadable", "cut off"),
    "endless directory": Case(ended(size=2**32 - 16), "unreadable", "not where its last record says"),
    "directory elsewhere": Case(ended(start=7), "unreadable", "not where its last record says"),
    "one of several disks": Case(ended(disk=1, first=1), "unreadable", "several files"),
    "64 bits that lie about the size": Case(lambda: in_64_bits(24, 2**63), "unreadable", "not where"),
    "64 bits that lie about the number": Case(
        lambda: in_64_bits(2**63, 10), "unreadable", "not where its last record says"
    ),
    "damaged directory": Case(patched(b"PK\1\2", b"PK\1\7"), "unreadable", "directory of the archive"),
    "other names in the directory": Case(
        lambda: zipped(pets()).replace(b"cat/", b"cow/", 12), "unreadable", "12 of 24 image files"
    ),
    "second directory in the comment": Case(
        lambda: with_a_comment(b"PK\5\6" + bytes(18)), "unreadable", "not where its last record says"
    ),
    "program before the archive": Case(
        lambda: b"MZ" + bytes(600) + zipped(pets()), "unreadable", "no known archive"
    ),
    "archives in the archive": Case(
        lambda: zipped({"cat/a.zip": zipped(pets()), "dog/b.tar.gz": b""}), "too_few_classes", "0 images"
    ),
    "nothing in it": Case(lambda: zipped({}), "too_few_classes", "0 class folders"),
    "one class": Case(
        lambda: zipped({f"cat/{n}.png": png(n) for n in range(20)}), "too_few_classes", "1 class folders"
    ),
    "only junk": Case(
        lambda: zipped({"__MACOSX/cat/._a.png": b"x", ".git/dog/b.png": b"x", "cow/Thumbs.db": b"x"}),
        "too_few_classes",
        "0 images",
    ),
    "one image of a class": Case(
        lambda: zipped(pets() | {"eel/x.png": png(999)}), "too_few_images", "class 'eel'"
    ),
    "few images": Case(lambda: zipped(pets(each=4)), "too_few_images", "training images"),
    "no test image of a class": Case(
        lambda: zipped(
            {f"train/{name}": content for name, content in pets().items()} | {"test/cat/x.png": png(999)}
        ),
        "too_few_images",
        "class 'dog' has no test image",
    ),
    "training images that are all test images": Case(
        lambda: zipped(
            {f"{split}/{name}": content for split in ("train", "test") for name, content in pets().items()}
        ),
        "too_few_images",
        "class 'cat' has 0 training and 12 test images",
    ),
}
