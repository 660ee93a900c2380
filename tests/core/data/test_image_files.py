"""Image files: modes by a table; each file taken, skipped with a reason, or refused; counts are true."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cartl_core.catalog import DATASETS
from cartl_core.data import skipped_files
from cartl_core.data.loading import load, read
from cartl_core.data.sources.images import MODES, SKIPPED, read_image
from cartl_core.data.splits import FileCounts
from cartl_core.errors import DatasetInvalid
from cartl_core.render.sentences.notices import notice
from cartl_core.spec import DataSpec, ModelSpec
from cartl_core.spec.resources.image_names import SYSTEM_NAMES
from tests.core.data.test_sources import write_classes

COLOUR = (200, 100, 50)


def pixel(path: Path) -> tuple[int, ...]:
    found = np.asarray(read_image(path, path.parent))
    assert found.dtype == np.uint8
    assert found.shape[2] == 3
    return tuple(int(value) for value in found[0, 0])


def saved(path: Path, mode: str, colour: object) -> Path:
    Image.new(mode, (8, 8), colour).save(path)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize(
    ("name", "mode", "colour", "shown"),
    [
        ("a.png", "1", 1, (255, 255, 255)),
        ("a.png", "L", 77, (77, 77, 77)),
        ("a.png", "LA", (77, 255), (77, 77, 77)),
        ("a.png", "LA", (77, 0), (0, 0, 0)),
        ("a.png", "RGB", COLOUR, COLOUR),
        ("a.png", "RGBA", (*COLOUR, 255), COLOUR),
        ("a.png", "RGBA", (*COLOUR, 0), (0, 0, 0)),
        ("a.png", "RGBA", (200, 100, 50, 51), (40, 20, 10)),
        ("a.bmp", "RGB", COLOUR, COLOUR),
        ("a.ppm", "RGB", COLOUR, COLOUR),
        ("a.tiff", "PA", (0, 255), (0, 0, 0)),
        ("a.tiff", "CMYK", (55, 155, 205, 0), COLOUR),
        ("a.png", "I;16", 65535, (255, 255, 255)),
        ("a.png", "I;16", 257 * 100, (100, 100, 100)),
        ("a.png", "I;16", 300, (1, 1, 1)),
        ("a.tiff", "I;16", 32896, (128, 128, 128)),
        ("a.tiff", "F", 1.0, (255, 255, 255)),
        ("a.tiff", "F", 0.5, (128, 128, 128)),
    ],
)
def test_a_mode_is_read_as_the_table_says(
    tmp_path: Path, name: str, mode: str, colour: object, shown: tuple[int, ...]
) -> None:
    path = saved(tmp_path / name, mode, colour)
    with Image.open(path) as image:
        assert image.mode in MODES
    assert pixel(path) == shown


def test_a_ramp_of_sixteen_bits_stays_a_ramp(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64).round().astype(np.uint16).reshape(8, 8)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    found = np.asarray(read_image(tmp_path / "ramp.png", tmp_path))
    assert np.array_equal(found[..., 0], (ramp / 257).round().astype(np.uint8))
    assert np.array_equal(found[..., 0], found[..., 2])


def png(channels: int, values: NDArray[np.uint16]) -> bytes:
    """A PNG of 16 bits a channel, written out, as Pillow writes none of colours."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_a_channel_are_scaled_not_clipped(tmp_path: Path, channels: int) -> None:
    values = np.full((4, 4, channels), 128 * 257, dtype=np.uint16)
    if channels in (2, 4):
        values[..., -1] = 65535
    (tmp_path / "deep.png").write_bytes(png(channels, values))
    assert pixel(tmp_path / "deep.png") == (128, 128, 128)


def test_a_palette_with_a_transparent_entry_and_a_keyed_colour_show_black(tmp_path: Path) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, *COLOUR])
    image.save(tmp_path / "plain.png")
    image.save(tmp_path / "clear.png", transparency=1)
    assert pixel(tmp_path / "plain.png") == COLOUR
    assert pixel(tmp_path / "clear.png") == (0, 0, 0)
    Image.new("RGB", (8, 8), COLOUR).save(tmp_path / "keyed.png", transparency=COLOUR)
    assert pixel(tmp_path / "keyed.png") == (0, 0, 0)


def test_an_image_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 4))
    image.paste((255, 255, 255), (0, 0, 4, 4))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    found = read_image(tmp_path / "turned.png", tmp_path)
    assert found.size == (4, 8)
    assert np.asarray(found)[0].min() == 255


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda path: saved(path.with_suffix(".tiff"), "LAB", (1, 2, 3)), "has mode LAB, which is not read"),
        (lambda path: saved(path.with_suffix(".tiff"), "I", 70000), "32-bit integers"),
        (lambda path: saved(path.with_suffix(".tiff"), "F", 255.0), "floats that are not from 0 to 1"),
        (lambda path: saved(path.with_suffix(".tiff"), "F", float("nan")), "floats that are not from 0 to 1"),
    ],
)
def test_what_does_not_say_which_value_is_white_is_refused(
    tmp_path: Path, write: Callable[[Path], Path], says: str
) -> None:
    path = write(tmp_path / "image")
    with pytest.raises(DatasetInvalid, match=says) as caught:
        read_image(path, tmp_path)
    assert "image.tiff" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("name", ["moves.gif", "moves.png", "moves.webp", "pages.tiff"])
def test_several_frames_are_no_image(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (0, 120, 240)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    with pytest.raises(DatasetInvalid, match="has 3 frames"):
        read_image(tmp_path / name, tmp_path)


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    """The folder of one class, in a data set of two training and one test image a class."""
    for split, each in (("train", 2), ("test", 1)):
        write_classes(tmp_path / "cifar10" / split, DATASETS["cifar10"].classes, each)
    return tmp_path / "cifar10/train/frog"


def test_suffixes_count_in_any_case_and_what_is_no_image_is_counted_by_reason(
    cifar: Path, tmp_path: Path
) -> None:
    for name in ("A.PNG", "b.Jpeg", "c.JPG", "d.bmp", "e.WEBP", "f.tif", "g.ppm"):
        Image.new("RGB", (32, 32), COLOUR).save(cifar / name)
    for name in ("._0000.png", ".DS_Store", ".hidden"):
        (cifar / name).write_bytes(b"\0\5\x16\7")
    for name in ("Thumbs.db", "desktop.ini"):
        (cifar / name).write_bytes(b"anything")
    for name in ("notes.txt", "labels.csv", "0000", "0.png.part"):
        (cifar / name).write_text("no image")
    (cifar / "folder.png").mkdir()
    (cifar.parent / "__MACOSX").mkdir()
    (cifar.parent / ".cache").mkdir()
    archive = read("cifar10", tmp_path)
    assert len(archive.train.labels) == 20 + 7
    assert archive.files == FileCounts(
        37, (("folder", 1), ("hidden", 3), ("no_image_suffix", 4), ("system_file", 2))
    )
    assert {reason for reason, _ in archive.files.skipped} == set(SKIPPED)


@pytest.mark.parametrize("name", sorted(SYSTEM_NAMES))
def test_what_a_system_leaves_behind_is_no_class(cifar: Path, tmp_path: Path, name: str) -> None:
    (cifar.parent / name.upper()).mkdir()
    assert len(read("cifar10", tmp_path).train.labels) == 20


def link(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_bytes(b""), "x.png is empty"),
        (lambda path: path.write_bytes(b"no image"), "x.png is not an image that can be read"),
        (link("/etc/hostname"), "x.png is a link that leads out of the data set"),
        (link("../../../outside.png"), "x.png is a link that leads out of the data set"),
        (link("nowhere.png"), "x.png is a link that leads nowhere"),
        (link("x.png"), "x.png is a link that leads"),
        (link("../cat"), "x.png is not a file"),
        (lambda path: os.mkfifo(path), "x.png is not a file"),
    ],
)
def test_what_pretends_to_be_an_image_is_refused(
    cifar: Path, tmp_path: Path, make: Callable[[Path], object], says: str
) -> None:
    saved(tmp_path / "outside.png", "RGB", COLOUR)
    make(cifar / "x.png")
    with pytest.raises(DatasetInvalid, match=f"^cifar10/train/frog/{says}") as caught:
        read("cifar10", tmp_path)
    assert str(tmp_path) not in str(caught.value)


def test_a_link_within_the_data_set_is_an_image_and_the_whole_set_may_be_a_link(
    cifar: Path, tmp_path: Path
) -> None:
    (cifar / "again.png").symlink_to("0000.png")
    elsewhere = tmp_path / "other/root"
    elsewhere.mkdir(parents=True)
    (elsewhere / "cifar10").symlink_to(tmp_path / "cifar10")
    assert len(read("cifar10", elsewhere).train.labels) == 21


def test_a_class_folder_that_leads_out_is_refused(cifar: Path, tmp_path: Path) -> None:
    cifar.rename(tmp_path / "frog")
    cifar.symlink_to(tmp_path / "frog")
    with pytest.raises(DatasetInvalid, match="leads out of the data set"):
        read("cifar10", tmp_path)


def test_the_report_tells_what_was_skipped_and_how_many_images_there_are(cifar: Path, tmp_path: Path) -> None:
    (cifar / "._0000.png").write_bytes(b"\0")
    (cifar / "notes.txt").write_text("no image")
    model = ModelSpec(name="tiny", image_size=32, channels=3)
    data = load(
        DataSpec(name="cifar10", validation_fraction=0.5), model, data_root=tmp_path, seed=0, download=False
    )
    assert data.available == 20
    (told,) = skipped_files("source", data)
    assert notice(told) == (
        "Of the source cifar10 30 files were taken as images, and others beside them were not: 1 hidden, "
        "1 without the suffix of an image."
    )
