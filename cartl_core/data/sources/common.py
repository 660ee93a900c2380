"""What the readers of the several formats share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cartl_core.data.splits import Archive
from cartl_core.errors import DatasetInvalid

Reader = Callable[[], Archive]
MOST_PIXELS = 4096 * 4096


def shown(path: Path, root: Path) -> str:
    """``path`` as a person may see it: relative to the data root where it lies inside."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def read_image(path: Path, root: Path) -> Image.Image:
    """A colour image, fully decoded.

    Raises:
        DatasetInvalid: the file is no image, is damaged, or claims a size beyond reason.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise DatasetInvalid(f"{shown(path, root)} is {image.width} x {image.height} pixels large")
            return image.convert("RGB")
    # UnidentifiedImageError is an OSError; decoders also raise SyntaxError and ValueError.
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise DatasetInvalid(f"{shown(path, root)} is not an image that can be read") from error


def check_labels(labels: NDArray[np.int64], classes: int, what: str) -> None:
    """Raise ``DatasetInvalid`` unless all labels are from 0 to ``classes`` - 1."""
    if len(labels) == 0:
        raise DatasetInvalid(f"{what} holds no images")
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= classes:
        raise DatasetInvalid(f"{what} holds labels from {lowest} to {highest}, but 0 to {classes - 1} exist")
