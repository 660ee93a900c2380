"""Data sets in the files their authors published, read by torchvision, which checks their MD5 sums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cartl_core.catalog import DatasetFacts
from cartl_core.catalog.data_files import GTSRB_FOLDERS, SVHN_FILES
from cartl_core.compat.torchvision_import import import_torchvision
from cartl_core.data.sources.common import Reader, check_labels
from cartl_core.data.sources.images import check_file, check_inside, read_image, shown, skipped_for
from cartl_core.data.splits import Archive, Originals, originals, pixel_digest
from cartl_core.errors import DatasetInvalid, describe_error

SVHN_FOLDER = "svhn"
GTSRB_FOLDER = "gtsrb"


def find_cifar(facts: DatasetFacts, root: Path) -> Reader | None:
    """A reader if the folder of python batches is there."""
    assert facts.torchvision is not None
    kind, (folder,) = facts.torchvision.name, facts.folders
    if not (root / folder).is_dir():
        return None

    def split(train: bool) -> Originals:
        data = _open(kind, root, folder, train=train)
        return originals(data.data, np.asarray(data.targets, dtype=np.int64))

    return lambda: Archive(train=split(True), test=split(False))


def find_svhn(facts: DatasetFacts, root: Path) -> Reader | None:
    """A reader if both .mat files are there; the extra images are not used."""
    folder = root / SVHN_FOLDER
    if not all((root / file).is_file() for file in SVHN_FILES):
        return None

    def split(name: str) -> Originals:
        data = _open("SVHN", folder, SVHN_FOLDER, split=name)
        images = np.ascontiguousarray(data.data.transpose(0, 2, 3, 1))
        labels = np.asarray(data.labels, dtype=np.int64)
        check_labels(labels, len(facts.classes), f"{SVHN_FOLDER}/{name}_32x32.mat")
        return originals(images, labels)

    return lambda: Archive(train=split("train"), test=split("test"))


def find_gtsrb(facts: DatasetFacts, root: Path) -> Reader | None:
    """A reader if both extracted archives are there. Signs are resized to the catalog's size."""
    folder = root / GTSRB_FOLDER / "GTSRB"
    if not all((root / part).is_dir() for part in GTSRB_FOLDERS):
        return None

    def split(name: str, expected: int) -> Originals:
        listed = (
            (Path(path), label) for path, label in _open("GTSRB", root, GTSRB_FOLDER, split=name)._samples
        )
        samples = [(path, label) for path, label in listed if skipped_for(path) is None]
        if len(samples) != expected:
            raise DatasetInvalid(
                f"{shown(folder, root)} holds {len(samples):,} {name} images, expected {expected:,}"
            )
        labels = np.asarray([label for _, label in samples], dtype=np.int64)
        check_labels(labels, len(facts.classes), f"{shown(folder, root)} ({name})")
        return _resized([path for path, _ in samples], labels, facts.image_size, root)

    return lambda: Archive(train=split("train", facts.train_images), test=split("test", facts.test_images))


def _resized(paths: list[Path], labels: NDArray[np.int64], size: int, root: Path) -> Originals:
    """Images of any size brought to ``size``; their digests are of the pixels before that."""
    images = np.empty((len(paths), size, size, 3), dtype=np.uint8)
    digests = []
    inside = (root / GTSRB_FOLDER).resolve()
    for folder in {path.parent for path in paths}:
        check_inside(folder, root, inside)
    for position, path in enumerate(paths):
        check_file(path, root, inside)
        image = read_image(path, root)
        digests.append(pixel_digest(np.asarray(image)))
        images[position] = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    return Originals(images, labels, tuple(digests))


def _open(kind: str, root: Path, folder: str, **arguments: object) -> Any:
    try:
        return getattr(import_torchvision().datasets, kind)(root, download=False, **arguments)
    except (RuntimeError, OSError, KeyError, ValueError) as error:
        raise DatasetInvalid(
            f"the files in {folder} are incomplete or damaged: {describe_error(error)}"
        ) from error
