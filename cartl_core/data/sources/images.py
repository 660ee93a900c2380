"""Image files to pixels: which files of a folder are taken, and what each mode of an image means.

A file is taken, skipped for one of ``SKIPPED``'s reasons, or refused. Skipped is what nobody put there as an
image. A file that claims to be an image and cannot be used is refused, so no data set is quietly smaller.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from cartl_core.data.splits import FileCounts
from cartl_core.errors import DatasetInvalid
from cartl_core.report.notices import SkippedFor
from cartl_core.spec.resources.image_names import SYSTEM_NAMES

MOST_PIXELS = 4096 * 4096
SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")
)
"""In any case of letters."""

Bytes = NDArray[np.uint8]


def shown(path: Path, root: Path) -> str:
    """``path`` as a person may see it: relative to the data root where it lies inside."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


SKIPPED: dict[SkippedFor, Callable[[Path], bool]] = {
    "hidden": lambda path: path.name.startswith("."),
    "system_file": lambda path: path.name.lower() in SYSTEM_NAMES,
    "folder": lambda path: path.is_dir() and not path.is_symlink(),
    "no_image_suffix": lambda path: path.suffix.lower() not in SUFFIXES,
}
"""Why a file is no image of the data set; the first reason that fits counts."""


def skipped_for(path: Path) -> SkippedFor | None:
    """Why ``path`` is passed over; None: it is an image, or pretends to be one."""
    return next((reason for reason, fits in SKIPPED.items() if fits(path)), None)


@dataclass(frozen=True)
class ImageFiles:
    """The images of one folder in the order of their names, and how many other files lie beside them."""

    paths: tuple[Path, ...]
    counts: FileCounts


def image_files(folder: Path, root: Path, inside: Path) -> ImageFiles:
    """What lies directly in ``folder``.

    Args:
        root: the data root, for messages.
        inside: the data set's own folder, resolved; links must not lead out of it.

    Raises:
        DatasetInvalid: a file with an image's name is none, or is a link that leads elsewhere.
    """
    check_inside(folder, root, inside)
    taken: list[Path] = []
    skipped: Counter[SkippedFor] = Counter()
    for path in sorted(folder.iterdir()):
        reason = skipped_for(path)
        if reason is None:
            check_file(path, root, inside)
            taken.append(path)
        else:
            skipped[reason] += 1
    return ImageFiles(tuple(taken), FileCounts(len(taken), tuple(sorted(skipped.items()))))


def check_inside(path: Path, root: Path, inside: Path) -> None:
    """Refuse a link, or a folder behind one, that leads out of ``inside``.

    Raises:
        DatasetInvalid: names it.
    """
    if not path.resolve().is_relative_to(inside):
        raise DatasetInvalid(f"{shown(path, root)} is a link that leads out of the data set")


def check_file(path: Path, root: Path, inside: Path) -> None:
    """Refuse what is no regular file with something in it, and links that lead out of ``inside``.

    Raises:
        DatasetInvalid: names the file.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise DatasetInvalid(f"{shown(path, root)} is a link that leads nowhere") from error
    if path.is_symlink():
        check_inside(path, root, inside)
    if not stat.S_ISREG(found.st_mode):
        raise DatasetInvalid(f"{shown(path, root)} is not a file")
    if found.st_size == 0:
        raise DatasetInvalid(f"{shown(path, root)} is empty")


Background = tuple[int, int, int]
"""The colour that transparent pixels show."""
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def _plain(image: Image.Image, _: Background = BLACK) -> Bytes:
    return np.asarray(image.convert("RGB"))


def _composed(image: Image.Image, background: Background) -> Bytes:
    """Transparent pixels show what is behind them; what an editor left under them is not seen."""
    colours = image.convert("RGBA")
    return _plain(Image.alpha_composite(Image.new("RGBA", colours.size, (*background, 255)), colours))


def _keyed(image: Image.Image, background: Background) -> Bytes:
    """A palette has transparent entries, a PNG may name one grey or one colour that is transparent."""
    return _composed(image, background) if "transparency" in image.info else _plain(image)


def _sixteen_bits(image: Image.Image, _: Background = BLACK) -> Bytes:
    """Grey from 0 to 65535: divided by 257, so that white stays white and a ramp a ramp."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > WHITE_16:
        raise ValueError(f"its values go from {values.min()} to {values.max()}, not from 0 to {WHITE_16}")
    return _grey((values + WHITE_16 // 255 // 2) // (WHITE_16 // 255))


def _integers(image: Image.Image, _: Background) -> Bytes:
    if image.format not in ("PNG", "PPM"):
        raise ValueError("it has 32-bit integers, and does not say which one is white")
    return _sixteen_bits(image)


def _floats(image: Image.Image, _: Background) -> Bytes:
    values = np.asarray(image)
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise ValueError("it has floats that are not from 0 to 1, and does not say which one is white")
    return _grey((values * 255).round())


def _grey(values: NDArray[np.generic]) -> Bytes:
    return np.repeat(values.astype(np.uint8)[..., None], 3, axis=2)


WHITE_16 = 65535
MODES: dict[str, Callable[[Image.Image, Background], Bytes]] = {
    "1": _plain,
    "L": _keyed,
    "RGB": _keyed,
    "P": _keyed,
    "LA": _composed,
    "PA": _composed,
    "RGBA": _composed,
    "La": _composed,
    "RGBa": _composed,
    "RGBX": _plain,
    "CMYK": _plain,
    "YCbCr": _plain,
    "HSV": _plain,
    "I;16": _sixteen_bits,
    "I;16L": _sixteen_bits,
    "I;16B": _sixteen_bits,
    "I;16N": _sixteen_bits,
    "I": _integers,
    "F": _floats,
}
"""Pillow's modes of an image, and how each becomes colours of one byte; any other is refused."""


def read_image(path: Path, root: Path) -> Image.Image:
    """A colour image, fully decoded, the right way up as its EXIF data say.

    Raises:
        DatasetInvalid: the file is no image, is damaged, has several frames, has a mode that ``MODES`` does
            not know, or claims a size beyond reason.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise DatasetInvalid(f"{shown(path, root)} is {image.width} x {image.height} pixels large")
            # A phone's photograph (MPO) has its preview for a second frame.
            if (frames := getattr(image, "n_frames", 1)) > 1 and image.format != "MPO":
                raise DatasetInvalid(f"{shown(path, root)} has {frames} frames; one image a file is read")
            if image.mode not in MODES:
                raise DatasetInvalid(f"{shown(path, root)} has mode {image.mode}, which is not read")
            return Image.fromarray(_decoded(image, path, root))
    # UnidentifiedImageError is an OSError; decoders also raise SyntaxError and ValueError.
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise DatasetInvalid(f"{shown(path, root)} is not an image that can be read") from error


def decoded(image: Image.Image, background: Background = BLACK) -> Bytes:
    """Colours (H, W, 3) of an opened image, the right way up as its EXIF data say.

    Raises:
        ValueError: its values do not say which of them is white.
        KeyError: ``MODES`` does not know its mode.
    """
    image.load()
    turned = ImageOps.exif_transpose(image)
    turned.format = image.format
    return MODES[image.mode](turned, background)


def _decoded(image: Image.Image, path: Path, root: Path) -> Bytes:
    try:
        return decoded(image)
    except ValueError as error:
        raise DatasetInvalid(f"{shown(path, root)} cannot be read: {error}") from error
