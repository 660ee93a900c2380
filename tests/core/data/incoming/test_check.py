"""The check of a good data set: what becomes of each file, and what is measured."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cartl_core.data.incoming import check_dataset, open_pack
from cartl_core.data.packed import SPLITS, Pack
from cartl_core.spec.resources.dataset import DatasetCheckOrder, FoundDataset, Sizes
from tests.core.data.incoming.contents import (
    ORDER,
    Files,
    arrays,
    encoded,
    npy,
    pets,
    picture,
    png,
    tarred,
    write_folder,
    zipped,
)

Checked = tuple[FoundDataset, Pack]


def checked(tmp_path: Path, content: bytes, order: DatasetCheckOrder = ORDER) -> Checked:
    (tmp_path / "content").write_bytes(content)
    result = check_dataset(order, tmp_path / "content", tmp_path / "out")
    assert result.found is not None, result
    pack = Pack.open(tmp_path / "out" / "pack")
    assert pack.found == result.found
    return result.found, pack


def codes(found: FoundDataset) -> list[str]:
    return [warning.code for warning in found.report.warnings]


def test_the_same_images_are_the_same_data_set_however_they_are_packed(tmp_path: Path) -> None:
    files = pets()
    backwards = dict(reversed(files.items()))
    wrapped = {f"my pets/{name}": content for name, content in backwards.items()}
    dotted = {f"./{name}": content for name, content in files.items()}
    contents = [
        zipped(files),
        zipped(wrapped),
        tarred(dotted),
        tarred(files, "w:gz"),
        tarred(backwards, "w:bz2"),
        tarred(wrapped, "w:xz", tarfile.GNU_FORMAT),
        tarred(files, "w:", tarfile.USTAR_FORMAT),
    ]
    prints = {checked(tmp_path, content)[0].fingerprint for content in contents}
    registered = check_dataset(ORDER, write_folder(tmp_path / "root", files), tmp_path / "out")
    assert registered.found is not None
    assert prints == {registered.found.fingerprint}
    other = checked(tmp_path, zipped(files | {"cat/00.png": png(77)}))[0]
    assert other.fingerprint not in prints


def test_images_come_back_with_their_labels_and_splits(tmp_path: Path) -> None:
    files = {f"{split}/{name}": content for split in ("Train",) for name, content in pets().items()}
    files |= {"VALID/cat/a.png": png(501), "test/cat/b.png": png(502), "test/dog/sub/c.png": png(503)}
    found, pack = checked(tmp_path, zipped(files))
    assert found.classes == ("cat", "dog")
    assert found.counts == {"train": (12, 12), "val": (1, 0), "test": (1, 1)}
    assert [SPLITS[split] for split in pack.index.split] == ["train"] * 24 + ["val"] + ["test"] * 2
    assert pack.index.label.tolist() == [0] * 12 + [1] * 12 + [0, 0, 1]
    numbers = [*range(12), *range(100, 112), 501, 502, 503]
    for position, number in enumerate(numbers):
        assert np.array_equal(pack.image(position), picture(number))


def test_mean_and_deviation_are_those_of_the_training_pixels(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    files = {}
    for number in range(30):
        size = tuple(draw.integers(5, 20, 2))
        image = draw.integers(0, 256, (*size, 3), dtype=np.uint8)
        files[f"{'ab'[number % 2]}/{number}.png"] = encoded(Image.fromarray(image), "PNG")
    found, pack = checked(tmp_path, zipped(files))
    train = np.flatnonzero(pack.index.split == SPLITS.index("train"))
    pixels = np.concatenate([pack.image(int(position)).reshape(-1, 3) for position in train]) / 255
    assert found.mean == pytest.approx(pixels.mean(axis=0), abs=1e-12)
    assert found.std == pytest.approx(pixels.std(axis=0), abs=1e-12)


def test_grey_images_have_one_channel_until_one_has_colour(tmp_path: Path) -> None:
    grey = np.random.default_rng(1).integers(0, 256, (24, 9, 7), dtype=np.uint8)
    files = {
        f"{'ab'[n % 2]}/{n:02}.png": encoded(Image.fromarray(image), "PNG") for n, image in enumerate(grey)
    }
    files |= {"a/coloured grey.jpg": encoded(Image.new("RGB", (9, 7), (80, 80, 80)), "JPEG")}
    found, pack = checked(tmp_path, tarred(files))
    assert (found.channels, len(found.mean), codes(found).count("grey_among_colours")) == (1, 1, 0)
    assert (found.defaults.train_eps, found.defaults.augmentation) == (0.1, "none")
    mixed, pack = checked(tmp_path, tarred(files | {"a/z.png": png(1)}))
    assert mixed.channels == 3
    assert "25 images without colour" in next(
        one.message for one in mixed.report.warnings if one.code == "grey_among_colours"
    )
    of_class = [pack.image(position) for position in range(len(pack.index))]
    assert {image.shape[2] for image in of_class} == {3}
    kept = {image[..., 0].tobytes() for image in of_class if image.shape == (9, 7, 3)}
    assert {image.tobytes() for image in grey} <= kept
    alone, _ = checked(tmp_path, tarred({"a/first.png": png(1)} | files))
    assert alone.channels == 3


def test_arrays_become_the_data_set_that_they_are(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (24, 8, 8), dtype=np.uint8)
    found, pack = checked(tmp_path, arrays())
    assert (found.classes, found.channels) == (("0", "1"), 1)
    assert {pack.image(position)[..., 0].tobytes() for position in range(24)} == {
        image.tobytes() for image in images
    }
    named, _ = checked(
        tmp_path,
        arrays(
            labels=np.array([["b"], ["a"]] * 12),
            class_names=np.array(["b", "a"]),
            test_images=255 - images,
            test_labels=np.array([b"a", b"b"] * 12),
            noise=np.zeros(3),
        ),
    )
    assert named.classes == ("b", "a")
    assert named.counts == {"train": (12, 12), "test": (12, 12)}
    assert named.report.skipped_by_reason == {"unknown_array": 1}
    assert (named.report.files, named.report.taken) == (49, 48)
    numbered, _ = checked(tmp_path, arrays(labels=np.array([10, 9] * 12, dtype=np.uint8)))
    assert numbered.classes == ("9", "10")
    keras = {"x_train.npy": npy(images), "y_train.npy": npy(np.arange(24) % 2)}
    assert checked(tmp_path, zipped(keras))[0].fingerprint == found.fingerprint


def test_every_file_is_taken_or_named_with_its_reason(tmp_path: Path) -> None:
    junk = {
        ".DS_Store": "hidden",
        "cat/.hidden.png": "hidden",
        ".git/cat/x.png": "hidden",
        "__MACOSX/cat/x.png": "system_file",
        "cat/Thumbs.db": "system_file",
        "cat/@eaDir/x.jpg": "system_file",
        "dog/more.zip": "archive_inside",
        "labels.csv": "no_image_suffix",
        "cat/x.gif": "no_image_suffix",
        "logo.png": "no_class_folder",
        "empty/note.txt": "no_image_suffix",
    }
    files = (
        pets(each=40) | {name: png(900 + n) for n, name in enumerate(junk)} | {"dog/broken.png": png(1)[:90]}
    )
    found, _ = checked(tmp_path, zipped(files))
    named = {file.path: file.reason for file in found.report.skipped}
    assert named == junk | {"dog/broken.png": "truncated"}
    assert (found.report.files, found.report.taken) == (80 + 12, 80)
    assert found.report.skipped_by_reason == {
        reason: [*named.values()].count(reason) for reason in named.values()
    }
    assert found.classes == ("cat", "dog")
    assert "classes_without_images" in codes(found)


def test_the_first_hundred_that_are_skipped_are_named_and_all_are_counted(tmp_path: Path) -> None:
    files = pets() | {f"cat/{n:03}.txt": b"" for n in range(150)}
    report = checked(tmp_path, zipped(files))[0].report
    assert [file.path for file in report.skipped] == [f"cat/{n:03}.txt" for n in range(100)]
    assert report.skipped_by_reason == {"no_image_suffix": 150}


@pytest.mark.parametrize(("broken", "state"), [(5, "ready"), (6, "rejected")])
def test_one_broken_image_in_twenty_is_borne(tmp_path: Path, broken: int, state: str) -> None:
    files = pets(each=50) | {f"cat/x{n}.png": b"broken" for n in range(broken)}
    (tmp_path / "content").write_bytes(zipped(files))
    assert check_dataset(ORDER, tmp_path / "content", tmp_path / "out").state == state


def test_what_was_done_to_images_is_said(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    clear = Image.new("RGBA", (8, 9), (10, 200, 10, 0))
    opaque = Image.new("RGBA", (8, 9), (10, 200, 10, 255))
    files = pets(each=30) | {
        "cat/clear.png": encoded(clear, "PNG"),
        "cat/opaque.png": encoded(opaque, "PNG"),
        "cat/print.jpg": encoded(Image.new("CMYK", (8, 9), (0, 255, 0, 0)), "JPEG"),
        "cat/deep.tiff": encoded(Image.fromarray(np.full((9, 8), 257 * 100, np.uint16)), "TIFF"),
        "cat/turned.WEBP": encoded(Image.fromarray(picture(950, (20, 30))), "WEBP", exif=exif),
    }
    found, pack = checked(tmp_path, zipped(files))
    said = {warning.code: warning.message for warning in found.report.warnings}
    assert {"transparent", "cmyk", "sixteen_bits", "rotated"} <= said.keys()
    assert said["transparent"].startswith("1 image had transparent pixels")
    shapes = {pack.image(position).shape for position in range(len(pack.index))}
    assert (30, 20, 3) in shapes
    flat = {tuple(pack.image(p)[0, 0].tolist()) for p in range(len(pack.index)) if pack.image(p).std() < 200}
    assert {(255, 255, 255), (10, 200, 10), (100, 100, 100)} <= flat


@pytest.mark.parametrize(
    ("side", "size", "eps"),
    [(5, 8, 8 / 255), (33, 32, 8 / 255), (127, 112, 8 / 255), (128, 128, 4 / 255), (499, 224, 4 / 255)],
)
def test_defaults_follow_the_size_of_the_images(tmp_path: Path, side: int, size: int, eps: float) -> None:
    image = Image.new("RGB", (side, side + 1))
    files: Files = {}
    for number in range(24):
        image.putpixel((0, 0), (number, 1, 2))
        files[f"{'ab'[number % 2]}/{number}.png"] = encoded(image, "PNG")
    limits = ORDER.limits.model_copy(update={"expanded_bytes": 2**26})
    found, _ = checked(tmp_path, zipped(files), ORDER.model_copy(update={"limits": limits}))
    assert found.sizes == Sizes(min=(side + 1, side), median=(side + 1, side), max=(side + 1, side))
    assert found.defaults.image_size == size
    assert (found.defaults.train_eps, found.defaults.eval_eps) == (eps, eps)
    assert found.defaults.eval_step == pytest.approx(eps / 4)


def test_few_test_images_and_large_classes_are_warned_of(tmp_path: Path) -> None:
    files = {f"{split}/{name}": c for split, name, c in _split_pets(train=36, test=3)}
    for number in range(33):
        del files[f"train/dog/{number:02}.png"]
    said = {one.code: one.message for one in checked(tmp_path, zipped(files))[0].report.warnings}
    assert "2 of 2 classes have fewer than 10 test images: cat (3), dog (3)" in said["few_test_images"]
    assert "12 times as many" in said["class_imbalance"]


def _split_pets(train: int, test: int) -> list[tuple[str, str, bytes]]:
    return [("train", name, content) for name, content in pets(each=train).items()] + [
        ("test", f"{kind}/{number}.png", png(600 + 50 * label + number))
        for label, kind in enumerate(("cat", "dog"))
        for number in range(test)
    ]


def test_progress_goes_up_to_one(tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(tarred(pets(), "w:gz"))
    told: list[float] = []
    check_dataset(ORDER, tmp_path / "content", tmp_path / "out", told.append)
    assert told == sorted(told)
    assert 0 <= told[0] <= told[-1] == 1.0


def test_an_announced_format_must_be_that_of_the_content(tmp_path: Path) -> None:
    for form, content, state in (
        ("npz", arrays(), "ready"),
        ("archive", zipped(pets()), "ready"),
        ("npz", zipped(pets()), "rejected"),
        ("archive", arrays(), "rejected"),
    ):
        (tmp_path / "content").write_bytes(content)
        order = ORDER.model_copy(update={"format": form})
        assert check_dataset(order, tmp_path / "content", tmp_path / "out").state == state


def test_a_later_check_leaves_nothing_of_an_earlier_one(tmp_path: Path) -> None:
    checked(tmp_path, zipped(pets()))
    (tmp_path / "out" / ".pack-killed").mkdir()
    (tmp_path / "content").write_bytes(b"nothing")
    assert check_dataset(ORDER, tmp_path / "content", tmp_path / "out").state == "rejected"
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(Exception, match="cannot be read"):
        open_pack(tmp_path / "out" / "pack")
