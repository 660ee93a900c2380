"""Files that have an image's name and are none, are damaged, or are made to harm a decoder."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image

from tests.core.data.incoming.contents import Case, encoded, picture, png, png_of_chunks

COLOUR = Image.fromarray(picture(5, (16, 16)))
OTHER = Image.fromarray(picture(6, (16, 16)))


def of_many_scans() -> bytes:
    good = encoded(COLOUR, "JPEG", progressive=True)
    start = good.index(b"\xff\xda")
    end = good.index(b"\xff", start + 2)
    return good[:start] + good[start:end] * 3000 + good[start:]


def directory(file: bytes | bytearray) -> tuple[int, int]:
    """Where the directory of a TIFF's first page begins, and how many tags it has."""
    (begin,) = struct.unpack_from("<L", file, 4)
    return begin, struct.unpack_from("<H", file, begin)[0]


def of_shared_tags(tags: int, size: int) -> bytes:
    """A good TIFF with ``tags`` more tags, all of which claim the same ``size`` bytes."""
    file = bytearray(encoded(COLOUR, "TIFF"))
    begin, own = directory(file)
    entries = bytes(file[begin + 2 : begin + 2 + 12 * own])
    shared = len(file)
    file += bytes(size)
    file[4:8] = struct.pack("<L", len(file))
    more = b"".join(struct.pack("<HHLL", 40_000 + tag, 7, size, shared) for tag in range(tags))
    return bytes(file + struct.pack("<H", own + tags) + entries + more + bytes(4))


def of_many_pages(pages: int) -> bytes:
    """A TIFF whose one page is followed by others with the same pixels, each of which leads to the next."""
    file = bytearray(encoded(COLOUR, "TIFF"))
    begin, tags = directory(file)
    tail = begin + 2 + 12 * tags
    page, end = bytes(file[begin:tail]), len(file)
    file[tail : tail + 4] = struct.pack("<L", end)
    for number in range(1, pages + 1):
        file += page + struct.pack("<L", end + number * (len(page) + 4))
    return bytes(file)


def canvas(width: int, height: int) -> bytes:
    """A WebP file that claims a canvas."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<L", 10) + bytes(4) + size
    return b"RIFF" + struct.pack("<L", len(body)) + body


def bitmap(width: int, height: int) -> bytes:
    good = bytearray(encoded(COLOUR, "BMP"))
    good[18:26] = struct.pack("<ll", width, height)
    return bytes(good)


IMAGES = {
    "empty": Case(lambda: b"", "empty"),
    "text": Case(lambda: b"hello", "not_an_image"),
    "page of a failed download": Case(lambda: b"<html>404</html>", "not_an_image"),
    "SVG": Case(lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "not_an_image"),
    "PostScript": Case(lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_an_image"),
    "GIF": Case(lambda: encoded(COLOUR, "GIF"), "not_an_image"),
    "icon": Case(lambda: encoded(COLOUR, "ICO"), "not_an_image"),
    "JPEG cut off": Case(lambda: encoded(Image.fromarray(picture(7, (64, 64))), "JPEG")[:-900], "truncated"),
    "PNG cut off": Case(lambda: png(7)[:120], "truncated"),
    "TIFF cut off": Case(lambda: encoded(COLOUR, "TIFF")[:-300], "truncated"),
    "WebP cut off": Case(lambda: encoded(COLOUR, "WEBP", lossless=True)[:-300], "damaged"),
    "PNG with a wrong checksum": Case(lambda: png(7).replace(b"IDAT", b"IDAT\1", 1), "damaged"),
    "head of a JPEG alone": Case(lambda: b"\xff\xd8\xff\xe0", "not_an_image"),
    "moving PNG": Case(lambda: encoded(COLOUR, "PNG", save_all=True, append_images=[OTHER]), "animated"),
    "moving WebP": Case(lambda: encoded(COLOUR, "WEBP", save_all=True, append_images=[OTHER]), "animated"),
    "TIFF of pages": Case(lambda: encoded(COLOUR, "TIFF", save_all=True, append_images=[OTHER]), "animated"),
    "TIFF of thousands of pages": Case(lambda: of_many_pages(10_000), "animated"),
    "floats": Case(lambda: encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"), "mode_not_read"),
    "floats that are no number": Case(
        lambda: encoded(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF"), "mode_not_read"
    ),
    "integers of 32 bits": Case(lambda: encoded(Image.new("I", (4, 4), 70000), "TIFF"), "mode_not_read"),
    "LAB": Case(lambda: encoded(Image.new("LAB", (4, 4)), "TIFF"), "mode_not_read"),
    "PNG of billions of pixels": Case(
        lambda: png_of_chunks(60_000, 60_000, pixels=bytes(99)), "too_many_pixels"
    ),
    "PNG just beyond the limit": Case(lambda: png_of_chunks(501, 500), "too_many_pixels"),
    "TIFF beyond the limit": Case(
        lambda: encoded(Image.new("L", (900, 900)), "TIFF", compression="tiff_lzw"), "too_many_pixels"
    ),
    "JPEG beyond the limit": Case(lambda: encoded(Image.new("L", (900, 900)), "JPEG"), "too_many_pixels"),
    "WebP of a large canvas": Case(lambda: canvas(16_383, 16_383), "too_many_pixels"),
    "BMP beyond the limit": Case(lambda: bitmap(30_000, 30_000), "too_many_pixels"),
    "BMP of negative width": Case(lambda: bitmap(-16, 16), "too_many_pixels"),
    "PNG of no pixels": Case(lambda: png_of_chunks(0, 0, pixels=b"\0"), "not_an_image"),
    "text chunk that is a bomb": Case(
        lambda: png_of_chunks(8, 8, (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**25)))), "damaged"
    ),
    "EXIF beyond reason": Case(lambda: png_of_chunks(8, 8, (b"eXIf", b"II*\0" + bytes(2**17))), "damaged"),
    "JPEG of thousands of scans": Case(of_many_scans, "damaged"),
    "more bytes than any image": Case(lambda: png(7) + bytes(2**21 + 2**18), "file_too_large"),
}
