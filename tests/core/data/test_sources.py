"""Reading files: each format gives the pixels that were put in, and damage names its file."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from cartl_core.catalog import DATASETS
from cartl_core.compat.debian import installed
from cartl_core.compat.torchvision_import import import_torchvision
from cartl_core.data import sources
from cartl_core.data.loading import read
from cartl_core.data.sources.idx import read_idx
from cartl_core.data.sources.published import find_gtsrb
from cartl_core.data.splits import pixel_digest
from cartl_core.errors import DatasetInvalid
from cartl_core.spec import datasets

WriteIdx = Callable[..., None]


def pixels(count: int, *shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def idx(values: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def write_classes(folder: Path, classes: tuple[str, ...], each: int) -> NDArray[np.uint8]:
    images = pixels(each * len(classes), 32, 32, 3)
    for position, image in enumerate(images):
        place = folder / classes[position // each]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{position % each:04d}.png")
    return images


def test_every_data_set_of_the_catalog_has_a_reader_and_says_what_it_expects() -> None:
    assert sources.FINDERS.keys() == DATASETS.keys() == set(get_args(datasets.DatasetName))
    for name, facts in DATASETS.items():
        named = tuple(f"{finder.__module__}:{finder.__qualname__}" for finder in sources.FINDERS[name])
        assert named == facts.readers != ()
        assert facts.expected or name == "digits"


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("folder", ["fashion-mnist", "fashion_mnist", "FashionMNIST/raw"])
def test_idx_files_are_read_wherever_they_lie(
    tmp_path: Path, write_idx: WriteIdx, folder: str, packed: bool
) -> None:
    write_idx(tmp_path / folder, packed=packed, seed=3)
    archive = read("fashion_mnist", tmp_path)
    random = np.random.default_rng(3)
    for split, count in ((archive.train, 60), (archive.test, 20)):
        expected = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        assert np.array_equal(split.images[..., 0], expected)
        assert np.array_equal(split.labels, np.arange(count) % 10)
        assert split.digests[0] == pixel_digest(expected[0][..., None])


def test_the_systems_files_are_read_when_the_data_root_has_none(
    tmp_path: Path, write_idx: WriteIdx, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, system = tmp_path / "data", tmp_path / "share"
    monkeypatch.setenv("XDG_DATA_DIRS", f"relative:{tmp_path / 'empty'}:{system}")
    assert sources.find("fashion_mnist", root) is None
    write_idx(system / "datasets/fashion-mnist", train=30)
    installed = sources.find("fashion_mnist", root)
    write_idx(root / "fashion-mnist", train=40)
    own = sources.find("fashion_mnist", root)
    assert installed is not None and own is not None
    assert (len(installed().train.labels), len(own().train.labels)) == (30, 40)
    assert sources.find("mnist", root) is None


@pytest.mark.parametrize("unset", ["", None])
def test_where_the_system_keeps_its_files_unless_it_says_otherwise(
    unset: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_DATA_DIRS") if unset is None else monkeypatch.setenv("XDG_DATA_DIRS", unset)
    folders = [str(folder) for folder in installed("fashion-mnist")]
    assert folders == ["/usr/local/share/datasets/fashion-mnist", "/usr/share/datasets/fashion-mnist"]


GOOD = pixels(5, 28, 28)
HOSTILE = {
    "empty": b"",
    "no header": idx(GOOD)[:6],
    "cut off": idx(GOOD)[:-1],
    "too long": idx(GOOD) + b"x",
    "other type": b"\0\0\x0d\x03" + idx(GOOD)[4:],
    "not idx": b"\x89PNG" + idx(GOOD)[4:],
    "no dimensions": b"\0\0\x08\0" + idx(GOOD)[4:],
    "other shape": idx(pixels(5, 14, 14)),
    "claims too many": struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 28, 28),
    "claims a million": struct.pack(">BBBB3I", 0, 0, 8, 3, 10**6, 28, 28),
    "other rank": idx(pixels(5)),
}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("fault", HOSTILE)
def test_a_hostile_idx_file_is_named(tmp_path: Path, fault: str, packed: bool) -> None:
    path = tmp_path / "mnist" / ("images.gz" if packed else "images")
    path.parent.mkdir()
    path.write_bytes(gzip.compress(HOSTILE[fault]) if packed else HOSTILE[fault])
    with pytest.raises(DatasetInvalid, match=f"^mnist/{path.name} is not a valid idx file") as caught:
        read_idx(path, tmp_path, shape=(28, 28))
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("damage", ["no gzip", "cut off", "bits", "checksum"])
def test_a_damaged_gzip_file_is_named(tmp_path: Path, damage: str) -> None:
    whole = gzip.compress(idx(GOOD))
    broken = {
        "no gzip": b"<html>not found</html>",
        "cut off": whole[: len(whole) // 2],
        "bits": whole[:40] + bytes(byte ^ 255 for byte in whole[40:60]) + whole[60:],
        "checksum": whole[:-8] + b"\0" * 8,
    }
    path = tmp_path / "images.gz"
    path.write_bytes(broken[damage])
    with pytest.raises(DatasetInvalid, match=r"^images\.gz"):
        read_idx(path, tmp_path, shape=(28, 28))


def test_labels_that_do_not_fit_are_refused(tmp_path: Path, write_idx: WriteIdx) -> None:
    folder = tmp_path / "mnist"
    write_idx(folder)
    label_file = folder / "train-labels-idx1-ubyte.gz"
    label_file.write_bytes(gzip.compress(idx(np.zeros(59, dtype=np.uint8))))
    with pytest.raises(DatasetInvalid, match=r"60 images, but .* 59 labels"):
        read("mnist", tmp_path)
    label_file.write_bytes(gzip.compress(idx(np.full(60, 10, dtype=np.uint8))))
    with pytest.raises(DatasetInvalid, match="labels from 10 to 10"):
        read("mnist", tmp_path)


def test_three_of_four_idx_files_are_no_data_set(tmp_path: Path, write_idx: WriteIdx) -> None:
    write_idx(tmp_path / "mnist")
    assert sources.find("mnist", tmp_path) is not None
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    assert sources.find("mnist", tmp_path) is None


@pytest.mark.parametrize(("name", "each"), [("cifar10", 2), ("cifar100", 1)])
def test_class_folders_give_labels_in_the_catalogs_order(tmp_path: Path, name: str, each: int) -> None:
    classes = DATASETS[name].classes
    assert list(classes) == sorted(classes), "alphabetical folders are the label order"
    train = write_classes(tmp_path / name / "train", classes, each)
    write_classes(tmp_path / name / "test", classes, each)
    archive = read(name, tmp_path)
    assert np.array_equal(archive.train.images, train)
    assert np.array_equal(archive.train.labels, np.arange(len(classes)).repeat(each))


@pytest.mark.parametrize(
    "fault", ["missing class", "unknown class", "empty class", "size", "no image", "cut off"]
)
def test_a_fault_in_class_folders_is_named(tmp_path: Path, fault: str) -> None:
    train = tmp_path / "cifar10" / "train"
    for split in ("train", "test"):
        write_classes(tmp_path / "cifar10" / split, DATASETS["cifar10"].classes, 1)
    image = train / "frog" / "0000.png"
    if fault == "missing class":
        (train / "frog").rename(tmp_path / "frog")
    elif fault == "unknown class":
        (train / "toad").mkdir()
    elif fault == "empty class":
        image.unlink()
    elif fault == "size":
        Image.new("RGB", (31, 32)).save(image)
    elif fault == "no image":
        image.write_text("not an image")
    else:
        image.write_bytes(image.read_bytes()[:200])
    with pytest.raises(DatasetInvalid, match=r"^cifar10/train.*(frog|toad)") as caught:
        read("cifar10", tmp_path)
    assert str(tmp_path) not in str(caught.value)


def test_cifars_own_batches_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cifar = import_torchvision().datasets.CIFAR10
    folder = tmp_path / cifar.base_folder
    folder.mkdir()
    images = pixels(60, 3, 32, 32)

    def batch(name: str, content: object) -> list[str]:
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    parts = [
        batch(name, {"data": images[at : at + 10].reshape(10, -1), "labels": list(range(10))})
        for name, at in zip(names, range(0, 60, 10), strict=True)
    ]
    meta = batch("batches.meta", {"label_names": list(DATASETS["cifar10"].classes)})
    monkeypatch.setattr(cifar, "train_list", parts[:5])
    monkeypatch.setattr(cifar, "test_list", parts[5:])
    monkeypatch.setattr(cifar, "meta", {**cifar.meta, "md5": meta[1]})
    archive = read("cifar10", tmp_path)
    assert np.array_equal(archive.train.images, images[:50].transpose(0, 2, 3, 1))
    assert np.array_equal(archive.test.images, images[50:].transpose(0, 2, 3, 1))
    assert np.array_equal(archive.test.labels, np.arange(10))


def test_damaged_batches_are_not_unpickled(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    trace = tmp_path / "trace"
    (folder / "data_batch_1").write_text(f"cos\nsystem\n(S'touch {trace}'\ntR.")
    with pytest.raises(DatasetInvalid, match="cifar-10-batches-py"):
        read("cifar10", tmp_path)
    assert not trace.exists()


def test_svhns_matrices_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    svhn = import_torchvision().datasets.SVHN
    folder = tmp_path / "svhn"
    folder.mkdir()
    images, files = pixels(20, 32, 32, 3), {}
    labels = np.arange(20) % 10 + 1  # the files say 10 for the digit 0
    for split in ("train", "test"):
        path = folder / f"{split}_32x32.mat"
        savemat(path, {"X": images.transpose(1, 2, 3, 0), "y": labels[:, None]})
        files[split] = ["", path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(svhn, "split_list", files)
    archive = read("svhn", tmp_path)
    assert np.array_equal(archive.train.images, images)
    assert np.array_equal(archive.train.labels, labels % 10)


def test_gtsrbs_signs_are_brought_to_one_size(tmp_path: Path) -> None:
    base = tmp_path / "gtsrb"
    signs = [pixels(1, height, width, 3)[0] for height, width in ((15, 18), (32, 32), (60, 40))]
    rows = ["Filename;Width;Height;ClassId"]
    (base / "GTSRB/Final_Test/Images").mkdir(parents=True)
    for label, sign in enumerate(signs):
        (base / f"GTSRB/Training/{label:05d}").mkdir(parents=True)
        Image.fromarray(sign).save(base / f"GTSRB/Training/{label:05d}/0.ppm")
        Image.fromarray(sign).save(base / f"GTSRB/Final_Test/Images/{label:05d}.ppm")
        rows.append(f"{label:05d}.ppm;1;1;{label}")
    (base / "GTSRB/Training/00000/._0.ppm").write_bytes(b"of a Mac, no image")
    (base / "GT-final_test.csv").write_text("\n".join(rows))
    facts = dataclasses.replace(DATASETS["gtsrb"], train_images=3, test_images=3)
    reader = find_gtsrb(facts, tmp_path)
    assert reader is not None
    archive = reader()
    assert archive.train.images.shape == (3, 32, 32, 3)
    assert np.array_equal(archive.train.images[1], signs[1])
    assert archive.train.labels.tolist() == archive.test.labels.tolist() == [0, 1, 2]
    assert archive.test.digests == tuple(pixel_digest(sign) for sign in signs), (
        "of the pixels before resizing"
    )
    with pytest.raises(DatasetInvalid, match="3 train images, expected 26,640"):
        read("gtsrb", tmp_path)
