"""A data set as class folders: NAME/train/CLASS/*.png and NAME/test/CLASS/*.png under the data root."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cartl_core.catalog import DatasetFacts
from cartl_core.data.sources.common import Reader, read_image, shown
from cartl_core.data.splits import Archive, Originals, originals
from cartl_core.errors import DatasetInvalid


def find(facts: DatasetFacts, root: Path) -> Reader | None:
    """A reader if both folders are there. Order: classes by label, files by name."""
    splits = [root / facts.name / split for split in ("train", "test")]
    if not all(folder.is_dir() for folder in splits):
        return None
    train, test = splits
    return lambda: Archive(train=_read_split(train, facts, root), test=_read_split(test, facts, root))


def _read_split(folder: Path, facts: DatasetFacts, root: Path) -> Originals:
    _check_classes(folder, facts, root)
    files = [sorted((folder / name).glob("*.png")) for name in facts.classes]
    for name, found in zip(facts.classes, files, strict=True):
        if not found:
            raise DatasetInvalid(f"{shown(folder / name, root)} holds no .png files")
    # Filled in place: a list of arrays would need the memory twice.
    count = sum(map(len, files))
    images = np.empty((count, facts.image_size, facts.image_size, 3), dtype=np.uint8)
    for position, path in enumerate(path for found in files for path in found):
        image = read_image(path, root)
        if image.size != (facts.image_size, facts.image_size):
            raise DatasetInvalid(
                f"{shown(path, root)} is {image.width} x {image.height} pixels large, "
                f"expected {facts.image_size} x {facts.image_size}"
            )
        images[position] = np.asarray(image)
    labels = np.repeat(np.arange(len(files), dtype=np.int64), [len(found) for found in files])
    return originals(images, labels)


def _check_classes(folder: Path, facts: DatasetFacts, root: Path) -> None:
    present = {entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    expected = set(facts.classes)
    if present != expected:
        wrong = ", ".join(sorted(present ^ expected)[:5])
        raise DatasetInvalid(
            f"{shown(folder, root)} must hold one folder for each of the {len(expected)} classes of "
            f"{facts.title}; missing or unknown: {wrong}"
        )
