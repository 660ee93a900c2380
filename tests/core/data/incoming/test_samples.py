"""The sheet of samples: a row for each class, its own training images in it, whatever their size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cartl_core.data.incoming import check_dataset
from cartl_core.spec.resources.dataset import DatasetCheckOrder
from cartl_core.spec.resources.samples import MOST_ROWS, SAMPLE_PIXELS, SAMPLES, SAMPLES_A_CLASS
from tests.core.data.incoming.contents import ORDER, encoded, write_folder, zipped

COLOURS = {"cat": (200, 10, 10), "dog": (10, 200, 10), "fish": (10, 10, 200)}


def sheet_of(tmp_path: Path, content: Path, order: DatasetCheckOrder = ORDER) -> NDArray[np.uint8]:
    result = check_dataset(order, content, tmp_path / "out")
    assert result.found is not None, result
    return np.asarray(Image.open(tmp_path / "out" / "pack" / SAMPLES))


def plain(colour: tuple[int, int, int], number: int, size: tuple[int, int]) -> bytes:
    """A picture of one colour but for a corner that tells it from the others."""
    image = Image.new("RGB", size, colour)
    image.putpixel((0, 0), (number, number, number))
    return encoded(image, "PNG")


@pytest.mark.parametrize("registered", [False, True])
def test_each_class_has_a_row_of_its_own_images(tmp_path: Path, registered: bool) -> None:
    files = {
        f"{name}/{number}.png": plain(colour, number, (40, 20) if number % 2 else (100, 200))
        for name, colour in COLOURS.items()
        for number in range(12)
    }
    if registered:
        content = write_folder(tmp_path / "root", files)
    else:
        content = tmp_path / "content"
        content.write_bytes(zipped(files))
    sheet = sheet_of(tmp_path, content)
    assert sheet.shape == (len(COLOURS) * SAMPLE_PIXELS, SAMPLES_A_CLASS * SAMPLE_PIXELS, 3)
    middles = sheet[SAMPLE_PIXELS // 2 :: SAMPLE_PIXELS, SAMPLE_PIXELS // 2 :: SAMPLE_PIXELS]
    for row, colour in zip(middles, COLOURS.values(), strict=True):
        assert (row == colour).all()


def test_grey_images_make_a_grey_sheet_and_few_of_them_leave_places_empty(tmp_path: Path) -> None:
    files = {
        f"{name}/{number}.png": encoded(Image.new("L", (8, 8), 10 * number + shade), "PNG")
        for name, shade in (("a", 0), ("b", 5))
        for number in range(6)
    }
    (tmp_path / "content").write_bytes(zipped(files))
    sheet = sheet_of(tmp_path, tmp_path / "content")
    assert sheet.ndim == 2
    assert (sheet[:, -SAMPLE_PIXELS:] == 128).all(), "fewer training images than places"
    assert len(np.unique(sheet)) > 4


def test_of_very_many_classes_the_first_ones_are_shown(tmp_path: Path) -> None:
    files = {
        f"{label:03}/{number}.png": plain((label, number, 9), 1, (8, 8))
        for label in range(MOST_ROWS + 2)
        for number in range(3)
    }
    (tmp_path / "content").write_bytes(zipped(files))
    sheet = sheet_of(tmp_path, tmp_path / "content", DatasetCheckOrder(name="many"))
    assert len(sheet) == MOST_ROWS * SAMPLE_PIXELS
