"""Bytes of one file to the pixels of one image: nothing in it is believed before it is bounded."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from cartl_core.data.incoming.rejection import Unusable
from cartl_core.data.sources.images import MODES, WHITE, decoded

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
"""Of Pillow; the others are not even tried, whatever a file begins with."""
MOST_SCANS = 100
"""Of a progressive JPEG, which has about ten; each one is decoded over the whole image."""
LARGEST_EXIF = 2**16

_REFUSED_MODES = frozenset({"F"})
"""Of ``MODES``: floats do not say which value is white."""
_UNDECODABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    Image.DecompressionBombError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    SystemError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What decoders raise at files that are damaged or made to harm."""


@dataclass(frozen=True)
class Decoded:
    """One image, and what had to be done to it (keys of ``_CHANGES``)."""

    pixels: NDArray[np.uint8]
    """(H, W, 3)."""
    changes: frozenset[str]


@contextmanager
def decoding(most_pixels: int) -> Iterator[None]:
    """Within: Pillow refuses images beyond ``most_pixels``, and does not warn. It holds for the process."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = most_pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def decode(content: bytes, most_pixels: int) -> Decoded:
    """The image in ``content``, upright, without transparency.

    Args:
        content: of one file.
        most_pixels: height times width that is allowed; asked before a pixel is decoded.

    Raises:
        Unusable: says why.
    """
    if not content:
        raise Unusable("empty")
    if content.startswith(b"\xff\xd8") and content.count(b"\xff\xda") > MOST_SCANS:
        raise Unusable("damaged")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise Unusable("too_many_pixels") from error
    except UnidentifiedImageError as error:
        raise Unusable("not_an_image") from error
    except _UNDECODABLE as error:
        raise Unusable("damaged") from error
    return _checked(image, most_pixels)


def _checked(image: Image.Image, most_pixels: int) -> Decoded:
    if image.width * image.height > most_pixels:
        raise Unusable("too_many_pixels")
    if image.mode not in MODES or image.mode in _REFUSED_MODES:
        raise Unusable("mode_not_read")
    if any(len(image.info.get(key, "")) > LARGEST_EXIF for key in ("exif", "Raw profile type exif")):
        raise Unusable("damaged")
    try:
        if _has_frames(image):
            raise Unusable("animated")
        image.load()
        changes = frozenset(name for name, applies in _CHANGES.items() if applies(image))
    except _UNDECODABLE as error:
        raise Unusable("truncated" if "truncated" in str(error).lower() else "damaged") from error
    try:
        return Decoded(decoded(image, WHITE), changes)
    except _UNDECODABLE as error:
        raise Unusable("mode_not_read") from error


def _has_frames(image: Image.Image) -> bool:
    """More than one image. A phone's photograph (MPO) has its preview for a second one.

    The number of a TIFF's pages is not asked: a file of nothing but pages would be walked to its end.
    """
    if image.format == "MPO":
        return False
    if image.format != "TIFF":
        return getattr(image, "n_frames", 1) > 1
    try:
        image.seek(1)
    except EOFError:
        image.seek(0)
        return False
    return True


def _transparent(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
    return isinstance(lowest, (int, float)) and lowest < 255


_CHANGES: dict[str, Callable[[Image.Image], bool]] = {
    "transparent": _transparent,
    "cmyk": lambda image: image.mode == "CMYK",
    "sixteen_bits": lambda image: image.mode.startswith("I"),
    "rotated": lambda image: image.getexif().get(0x0112, 1) not in (0, 1),
}
