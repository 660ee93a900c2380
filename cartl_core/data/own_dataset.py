"""A person's own images as a data set: what ``cartl_core.run(request, datasets={...})`` takes.

Shapes: N images (N, C, H, W) with C 1 or 3 and H = W; labels (N,) from 0 to K - 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cartl_core.catalog import DATASETS
from cartl_core.catalog.data_facts import TEMPLATES
from cartl_core.data.splits import Archive, Pixels, originals
from cartl_core.errors import ArgumentInvalid
from cartl_core.spec import DatasetName
from cartl_core.spec.measures.attack import LARGEST_SIDE, SMALLEST_SIDE
from cartl_core.spec.resources.dataset import ClassCounts, DataFacts, DatasetDefaults, Sizes

Array = Tensor | NDArray[Any]

SIZES = range(SMALLEST_SIDE, LARGEST_SIDE + 1)
"""Height and width that a network may take."""
MOST_CLASSES = 1000
AT_ONCE = 256
"""Images of a person's own that are looked at together."""
KINDS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float32, torch.float64)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of a person's own, split into training and test images.

    >>> import torch
    >>> from cartl_core import Dataset
    >>> images, labels = torch.rand(40, 3, 16, 16), torch.arange(40) % 2
    >>> Dataset(images[:30], labels[:30], images[30:], labels[30:], class_names=("cat", "dog"))
    Dataset(30 training and 10 test images of 3 x 16 x 16, 2 classes)

    Attributes:
        train_images: (N, C, H, W), a tensor or a numpy array: uint8, or floats in [0, 1]. C is 1 or 3, H and
            W are equal, 8 to 384. A part of them becomes the validation images, as ``validation_fraction``
            of the request says.
        train_labels: (N,), integers from 0 to K - 1.
        test_images: likewise; the figures of the report are about these.
        test_labels: likewise.
        class_names: K distinct names, at least two.
        like: a data set of the catalog whose settings are taken over where the request leaves them open:
            radii, normalisation, augmentation, default source and the draws of validation images. None:
            8/255 for colour images and 0.1 for grey ones, the training images' own mean and deviation, and
            CIFAR-100 or Fashion-MNIST as the source.
        title: what reports call it; None is its name in the request.
    """

    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array
    class_names: Sequence[str]
    like: DatasetName | None = None
    title: str | None = None

    def __repr__(self) -> str:
        """How many images of what shape."""
        shape = " x ".join(str(size) for size in self.train_images.shape[1:])
        return (
            f"Dataset({len(self.train_images)} training and {len(self.test_images)} test images of {shape}, "
            f"{len(self.class_names)} classes)"
        )


@dataclass(frozen=True, eq=False)
class CheckedDataset:
    """A ``Dataset`` that can be used, as the rest of the library takes it."""

    facts: DataFacts
    archive: Archive


def check_dataset(name: str, given: Dataset) -> CheckedDataset:
    """``given`` with its facts.

    Raises:
        ArgumentInvalid: a value is not usable; it names the data set and the value.
    """
    where = f"datasets.{name}"
    if not isinstance(given, Dataset):
        raise ArgumentInvalid(where, f"is a {type(given).__name__}", allowed="a cartl_core.Dataset")
    classes = _class_names(given.class_names, where)
    if given.like is not None and given.like not in DATASETS:
        raise ArgumentInvalid(f"{where}.like", f"{given.like!r} is none", allowed=", ".join(DATASETS))
    train = _pixels(given.train_images, f"{where}.train_images")
    test = _pixels(given.test_images, f"{where}.test_images")
    if train.shape[1:] != test.shape[1:] or train.dtype != test.dtype:
        raise ArgumentInvalid(
            f"{where}.test_images",
            f"are {_described(test)}, the training images {_described(train)}",
            allowed="the same shape and kind of numbers in both",
        )
    train, test = _in_bytes(train, test)
    archive = Archive(
        originals(train, _labels(given.train_labels, len(train), len(classes), f"{where}.train_labels")),
        originals(test, _labels(given.test_labels, len(test), len(classes), f"{where}.test_labels")),
        highest=255 if train.dtype == np.uint8 else 1,
    )
    return CheckedDataset(_facts(name, given, classes, archive), archive)


def _facts(name: str, given: Dataset, classes: tuple[str, ...], archive: Archive) -> DataFacts:
    _, size, _, channels = archive.train.images.shape
    template = DATASETS[given.like or TEMPLATES[channels]]
    if template.channels != channels:
        raise ArgumentInvalid(
            f"datasets.{name}.like", f"{template.name} has other channels", allowed=f"one with {channels}"
        )
    mean, std = (template.mean, template.std) if given.like else _statistics(archive, name)
    return DataFacts(
        channels=1 if channels == 1 else 3,
        classes=classes,
        counts=ClassCounts(
            train=_counts(archive.train.labels, classes), test=_counts(archive.test.labels, classes)
        ),
        sizes=Sizes(min=(size, size), median=(size, size), max=(size, size)),
        mean=mean,
        std=std,
        defaults=DatasetDefaults(
            image_size=size,
            train_eps=template.train_eps,
            eval_eps=template.eval_eps,
            eval_step=template.eval_step,
            augmentation=template.augmentation if given.like else "none",
        ),
        title=given.title,
        like=given.like,
    )


def _counts(labels: NDArray[np.int64], classes: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(np.bincount(labels, minlength=len(classes)).tolist())


def _statistics(archive: Archive, name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel of the training images on [0, 1], to four digits."""
    pixels = archive.train.images
    count, axes = pixels[..., 0].size, (0, 1, 2)

    def parts() -> Iterator[NDArray[np.float64]]:
        return (part.astype(np.float64) / archive.highest for part in _parts(pixels))

    exact = sum(part.sum(axis=axes) for part in parts()) / count
    spread = np.sqrt(sum(((part - exact) ** 2).sum(axis=axes) for part in parts()) / count)
    mean, std = exact.round(4), spread.round(4)
    if not std.all():
        raise ArgumentInvalid(f"datasets.{name}.train_images", "a channel is the same everywhere")
    return tuple(mean.tolist()), tuple(std.tolist())


def _class_names(names: Sequence[str], where: str) -> tuple[str, ...]:
    kept = () if isinstance(names, str) else tuple(names)
    usable = all(isinstance(name, str) and name.strip() for name in kept)
    if not (usable and 2 <= len(kept) <= MOST_CLASSES and len(set(kept)) == len(kept)):
        raise ArgumentInvalid(
            f"{where}.class_names", f"{names!r}"[:100], allowed=f"2 to {MOST_CLASSES} distinct names"
        )
    return kept


def _pixels(given: Array, where: str) -> Pixels:
    """(N, H, W, C): bytes, or floats in [0, 1]."""
    images = _array(given, where)
    if images.ndim != 4 or images.shape[1] not in TEMPLATES or images.shape[2] != images.shape[3]:
        raise ArgumentInvalid(
            where, f"has shape {images.shape}", allowed="(N, C, H, W) with C 1 or 3 and H equal to W"
        )
    if len(images) == 0 or images.shape[2] not in SIZES:
        raise ArgumentInvalid(
            where, f"has shape {images.shape}", allowed=f"images of {SIZES[0]} to {SIZES[-1]} pixels a side"
        )
    images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    if images.dtype == np.uint8:
        return cast(Pixels, images)
    if images.dtype not in (np.float32, np.float64):
        raise ArgumentInvalid(where, f"has dtype {images.dtype}", allowed="uint8, float32 or float64")
    if not bool(((images >= 0) & (images <= 1)).all()):
        raise ArgumentInvalid(
            where,
            f"has values from {images.min():g} to {images.max():g}",
            allowed="finite values in [0, 1], or uint8 from 0 to 255",
        )
    return images.astype(np.float32)


def _in_bytes(train: Pixels, test: Pixels) -> tuple[Pixels, Pixels]:
    """Floats that are all exact 255ths as the bytes they were, so that an image in two data sets is seen."""
    if train.dtype == np.uint8:
        return train, test
    bytes_of = [_exact_bytes(pixels) for pixels in (train, test)]
    if bytes_of[0] is None or bytes_of[1] is None:
        return train, test
    return bytes_of[0], bytes_of[1]


def _exact_bytes(floats: Pixels) -> NDArray[np.uint8] | None:
    """The bytes of which loading makes the same floats; None where there are none."""
    found = np.empty(floats.shape, dtype=np.uint8)
    for part, kept in zip(_parts(floats), _parts(found), strict=True):
        kept[:] = (part * 255).round().astype(np.uint8)
        if not torch.equal(torch.from_numpy(kept).float() / 255, torch.from_numpy(part)):
            return None
    return found


def _parts(pixels: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Views of a few images each: what is computed of them is small."""
    return (pixels[first : first + AT_ONCE] for first in range(0, len(pixels), AT_ONCE))


def _labels(given: Array, images: int, classes: int, where: str) -> NDArray[np.int64]:
    labels = _array(given, where)
    if labels.shape != (images,):
        raise ArgumentInvalid(where, f"has shape {labels.shape}", allowed=f"({images},), one for each image")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ArgumentInvalid(where, f"has dtype {labels.dtype}", allowed="integers")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise ArgumentInvalid(
            where,
            f"has labels from {low} to {high}",
            allowed=f"0 to {classes - 1}: there are {classes} names",
        )
    return labels.astype(np.int64)


def _array(given: Array, where: str) -> NDArray[Any]:
    if isinstance(given, Tensor):
        if given.dtype not in KINDS:
            raise ArgumentInvalid(where, f"has dtype {given.dtype}", allowed="uint8, float32 or int64")
        return given.detach().cpu().numpy()
    if not isinstance(given, np.ndarray):
        raise ArgumentInvalid(where, f"is a {type(given).__name__}", allowed="a tensor or a numpy array")
    return given


def _described(images: Pixels) -> str:
    _, height, width, channels = images.shape
    return f"{channels} x {height} x {width} of {images.dtype}"
