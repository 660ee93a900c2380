"""How many images and classes a data set of a specification has, before its files are read."""

from __future__ import annotations

from math import ceil

from cartl_core.catalog import facts_of, share_of_classes
from cartl_core.planning.estimates.costs import Images
from cartl_core.spec import DataSpec


def classes_of(data: DataSpec) -> int:
    """How many classes the task has."""
    return len(data.classes or facts_of(data).classes)


def training_images(data: DataSpec) -> int:
    """Images that are trained on: the classes' share, limited, less the validation part."""
    return ceil(_share(data, facts_of(data).train_images, data.train_limit) * (1 - data.validation_fraction))


def validation_images(data: DataSpec) -> int:
    """Images that were taken out of the training images for selection."""
    kept = _share(data, facts_of(data).train_images, data.train_limit)
    return kept - training_images(data)


def images_of(data: DataSpec) -> Images:
    """Those that training uses."""
    return Images(training_images(data), validation_images(data))


def test_images(data: DataSpec, limit: int | None) -> int:
    """Images that are attacked."""
    return _share(data, facts_of(data).test_images, limit)


def _share(data: DataSpec, images: int, limit: int | None) -> int:
    """Of all ``images``, those of the chosen classes (as if classes were equally large), limited."""
    kept = share_of_classes(data, images)
    return kept if limit is None else min(kept, limit)
