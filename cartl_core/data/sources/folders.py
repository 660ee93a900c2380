"""A data set as class folders: images in NAME/train/CLASS and NAME/test/CLASS under the data root."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cartl_core.catalog import DatasetFacts
from cartl_core.data.sources.common import Reader
from cartl_core.data.sources.images import ImageFiles, image_files, read_image, shown, skipped_for
from cartl_core.data.splits import Archive, FileCounts, Originals, originals
from cartl_core.errors import DatasetInvalid


def find(facts: DatasetFacts, root: Path) -> Reader | None:
    """A reader if both folders are there. Order: classes by label, files by name."""
    splits = [root / facts.name / split for split in ("train", "test")]
    if not all(folder.is_dir() for folder in splits):
        return None
    train, test = splits
    return lambda: _read(train, test, facts, root)


def _read(train: Path, test: Path, facts: DatasetFacts, root: Path) -> Archive:
    splits = [_files(folder, facts, root) for folder in (train, test)]
    counts = sum((found.counts for split in splits for found in split), start=FileCounts())
    one, other = (_read_split(split, facts, root) for split in splits)
    return Archive(train=one, test=other, files=counts)


def _files(folder: Path, facts: DatasetFacts, root: Path) -> list[ImageFiles]:
    """The images of each class."""
    _check_classes(folder, facts, root)
    inside = (root / facts.name).resolve()
    files = [image_files(folder / name, root, inside) for name in facts.classes]
    for name, found in zip(facts.classes, files, strict=True):
        if not found.paths:
            raise DatasetInvalid(f"{shown(folder / name, root)} holds no images")
    return files


def _read_split(files: list[ImageFiles], facts: DatasetFacts, root: Path) -> Originals:
    # Filled in place: a list of arrays would need the memory twice.
    count = sum(len(found.paths) for found in files)
    images = np.empty((count, facts.image_size, facts.image_size, 3), dtype=np.uint8)
    for position, path in enumerate(path for found in files for path in found.paths):
        image = read_image(path, root)
        if image.size != (facts.image_size, facts.image_size):
            raise DatasetInvalid(
                f"{shown(path, root)} is {image.width} x {image.height} pixels large, "
                f"expected {facts.image_size} x {facts.image_size}"
            )
        images[position] = np.asarray(image)
    labels = np.repeat(np.arange(len(files), dtype=np.int64), [len(found.paths) for found in files])
    return originals(images, labels)


def _check_classes(folder: Path, facts: DatasetFacts, root: Path) -> None:
    present = {entry.name for entry in folder.iterdir() if entry.is_dir() and _may_be_a_class(entry)}
    expected = set(facts.classes)
    if present != expected:
        wrong = ", ".join(sorted(present ^ expected)[:5])
        raise DatasetInvalid(
            f"{shown(folder, root)} must hold one folder for each of the {len(expected)} classes of "
            f"{facts.title}; missing or unknown: {wrong}"
        )


def _may_be_a_class(folder: Path) -> bool:
    return skipped_for(folder) not in ("hidden", "system_file")
