"""Images and labels that a person has in memory, as training and validation images of a transfer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cartl_core.attacks.arguments import check_images, check_labels
from cartl_core.data import ImageSet, Split
from cartl_core.data.stratified import stratified
from cartl_core.errors import ArgumentInvalid
from cartl_core.nn.rng import generator

Images = Tensor | ImageSet
Validation = float | tuple[Images, Tensor] | Split

CHECKED_AT_ONCE = 256
"""Images of a set whose values are looked at together."""

LEAST_CLASSES, LEAST_IMAGES = 2, 2
SMALLEST_SHARE, LARGEST_SHARE = 0.01, 0.5


@dataclass(frozen=True, eq=False)
class TransferImages:
    """``train`` and ``validation`` have no image in common where both come of one tensor."""

    train: Split
    validation: Split
    classes: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width


def split_images(
    images: Images,
    labels: Tensor,
    *,
    classes: int | None,
    validation: Validation,
    index: Tensor | None,
    seed: int,
) -> TransferImages:
    """The arguments of ``cartl_core.transfer`` as splits, on the CPU, in single precision.

    Raises:
        ArgumentInvalid: names the argument and what is allowed.
    """
    checked = _checked(images, "images")
    if checked.shape[1] not in (1, 3):
        raise ArgumentInvalid("images", f"have {checked.shape[1]} channels", allowed="1 or 3")
    classes = _classes(labels, len(checked), classes)
    everything = _as_split(checked, labels, _index(index, len(checked)))
    if isinstance(validation, float | int) and not isinstance(validation, bool):
        train, apart = _set_aside(everything, validation, seed)
    else:
        train, apart = everything, _given(validation, checked, classes)
    if len(train) < LEAST_IMAGES or len(apart) == 0:
        raise ArgumentInvalid(
            "images",
            f"are {len(train)} for training and {len(apart)} for validation",
            allowed=f"at least {LEAST_IMAGES} for training and one for validation",
        )
    return TransferImages(train, apart, classes)


def _classes(labels: Tensor, images: int, asked: int | None) -> int:
    if asked is not None and (not isinstance(asked, int) or isinstance(asked, bool) or asked < LEAST_CLASSES):
        raise ArgumentInvalid("classes", f"{asked!r}", allowed=f"a whole number from {LEAST_CLASSES}")
    if asked is not None:
        check_labels(labels, images, asked, "labels", why="classes says so")
        return asked
    classes = max(LEAST_CLASSES, min(_highest(labels) + 1, images))
    check_labels(labels, images, classes, "labels", why="no more classes than images; else say how many")
    return classes


def _highest(labels: object) -> int:
    """The highest label; of what holds none the check that follows says why."""
    countable = isinstance(labels, Tensor) and labels.dtype == torch.int64 and labels.numel() > 0
    return int(labels.max()) if countable and isinstance(labels, Tensor) else 0


def _index(index: Tensor | None, images: int) -> Tensor:
    if index is None:
        return torch.arange(images)
    if not isinstance(index, Tensor) or index.shape != (images,) or index.dtype != torch.int64:
        raise ArgumentInvalid("index", "is no list of names", allowed=f"int64 of shape ({images},), from 0")
    if int(index.min()) < 0:
        raise ArgumentInvalid("index", f"goes down to {int(index.min())}", allowed="from 0")
    return index.cpu()


def _set_aside(everything: Split, share: float, seed: int) -> tuple[Split, Split]:
    if not SMALLEST_SHARE <= share <= LARGEST_SHARE:
        raise ArgumentInvalid(
            "validation",
            f"{share!r} is no share",
            allowed=f"{SMALLEST_SHARE} to {LARGEST_SHARE}, or (images, labels)",
        )
    count = max(1, round(len(everything) * share))
    chosen = stratified(everything.labels, count, generator(seed, "validation"))
    kept = torch.ones(len(everything), dtype=torch.bool)
    kept[chosen] = False
    return everything.at(kept.nonzero().squeeze(1)), everything.at(chosen)


def _given(validation: object, images: ImageSet, classes: int) -> Split:
    if isinstance(validation, Split):
        _checked(validation.images, "validation")
        split = validation
    elif isinstance(validation, tuple | list) and len(validation) == 2:
        apart = _checked(validation[0], "validation")
        split = _as_split(apart, validation[1], torch.arange(len(apart)))
    else:
        raise ArgumentInvalid(
            "validation",
            f"is a {type(validation).__name__}",
            allowed=f"{SMALLEST_SHARE} to {LARGEST_SHARE}, (images, labels), or a split of load_dataset",
        )
    check_labels(split.labels, len(split.images), classes, "validation", why="as the training labels")
    if split.images.shape[1:] != images.shape[1:]:
        raise ArgumentInvalid(
            "validation",
            f"has images of {tuple(split.images.shape[1:])}",
            allowed=f"{tuple(images.shape[1:])}",
        )
    return split


def _checked(images: Images, name: str) -> ImageSet:
    """Images of a person's own, which become single precision, or of a data set."""
    if not isinstance(images, ImageSet):
        check_images(images, name)
        return ImageSet.of(images.detach().float().cpu())
    for first in range(0, max(1, len(images)), CHECKED_AT_ONCE):
        check_images(images[first : first + CHECKED_AT_ONCE], name)
    return images


def _as_split(images: ImageSet, labels: Tensor, index: Tensor) -> Split:
    if isinstance(labels, Tensor):
        labels = labels.detach().cpu()
    # Nobody compares these images with others, so they need no digests.
    return Split(images, labels, index, (b"",) * len(images))
