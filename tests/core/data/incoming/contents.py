"""Small data sets in every form, and what is needed to make bad ones."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cartl_core.spec.resources.dataset import DatasetCheckOrder, DatasetLimits

CLASSES = ("cat", "dog")
LIMITS = DatasetLimits(
    archive_bytes=4 * 2**20, entries=200, expanded_bytes=8 * 2**20, image_pixels=250_000, classes=10, depth=4
)
ORDER = DatasetCheckOrder(name="pets", limits=LIMITS)

Files = dict[str, bytes]


@dataclass(frozen=True)
class Case:
    """A content that must not become a data set, or a file that must not become an image of one."""

    content: Callable[[], bytes]
    reason: str
    """Of the rejection; for a file, why it is skipped."""
    says: str = ""
    """Part of the message."""


def picture(number: int, size: tuple[int, int] = (8, 9)) -> NDArray[np.uint8]:
    """A colour image (H, W, 3) that differs from that of every other number."""
    return np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """The file of an image."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@cache
def png(number: int) -> bytes:
    """The file of ``picture``."""
    return encoded(Image.fromarray(picture(number)), "PNG")


def pets(each: int = 12) -> Files:
    """Class folders with different images: {path: content}."""
    return {
        f"{name}/{number:02}.png": png(100 * label + number)
        for label, name in enumerate(CLASSES)
        for number in range(each)
    }


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def zipped_as(files: Files, name: str, change: Callable[[zipfile.ZipInfo], None]) -> bytes:
    """A zip archive of ``files`` and one more member, of which ``change`` makes something bad."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        info = zipfile.ZipInfo(name)
        change(info)
        archive.writestr(info, png(999))
    return stream.getvalue()


def tarred(files: Mapping[str, bytes], mode: str = "w:", kind: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, format=kind) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    written: bytes = stream.getvalue()
    return written


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, **values: str) -> bytes:
    """One header of a tar archive."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    for key, value in values.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(content: bytes) -> bytes:
    """As a tar archive holds a member's bytes."""
    return content + bytes(-len(content) % tarfile.BLOCKSIZE)


def before_the_end(archive: bytes, blocks: bytes) -> bytes:
    """An uncompressed tar archive with ``blocks`` after its last member."""
    end = len(archive.rstrip(b"\0"))
    end += -end % tarfile.BLOCKSIZE
    return archive[:end] + blocks + bytes(2 * tarfile.BLOCKSIZE)


def npy(array: NDArray[np.generic]) -> bytes:
    """A .npy file; objects are pickled."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=True)
    return stream.getvalue()


def npy_said(header: str, content: bytes = b"", version: bytes = b"\1\0") -> bytes:
    """A .npy file with a header as given."""
    length = struct.pack("<H" if version == b"\1\0" else "<I", len(header))
    return b"\x93NUMPY" + version + length + header.encode("latin-1") + content


def arrays(**given: bytes | NDArray[np.generic] | None) -> bytes:
    """An .npz file of 24 grey images of two classes; arrays may be replaced, added, or left out (None)."""
    count = 24
    usual: dict[str, bytes | NDArray[np.generic] | None] = {
        "images": np.random.default_rng(0).integers(0, 256, (count, 8, 8), dtype=np.uint8),
        "labels": np.arange(count) % 2,
    }
    members = {name: value for name, value in {**usual, **given}.items() if value is not None}
    return zipped(
        {f"{name}.npy": value if isinstance(value, bytes) else npy(value) for name, value in members.items()}
    )


def png_of_chunks(width: int, height: int, *chunks: tuple[bytes, bytes], pixels: bytes = b"") -> bytes:
    """A PNG of 8 bits grey with chunks of one's own before its pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = pixels or bytes((width + 1) * height)
    parts = [chunk(b"IHDR", head), *(chunk(*one) for one in chunks), chunk(b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def write_folder(folder: Path, files: Files) -> Path:
    """The files below ``folder``."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
