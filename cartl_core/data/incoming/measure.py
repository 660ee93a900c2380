"""Figures of the images of a data set: mean, deviation, sizes, counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt

from cartl_core.data.incoming.collect import Collected
from cartl_core.data.packed import SPLITS
from cartl_core.spec.resources.dataset import Sizes, SplitName

WHITE = 255
LEAST_STD = 1 / 255
"""A network divides by it: images that are all of one colour have none."""


def mean_and_std(images: Iterable[Collected], channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Over all pixels of ``images`` on [0, 1], for each channel; from whole numbers, so without rounding."""
    pixels, sums, squares = 0, [0] * channels, [0] * channels
    for image in images:
        pixels += image.height * image.width
        for channel in range(channels):
            sums[channel] += image.sums[channel]
            squares[channel] += image.squares[channel]
    mean = tuple(total / pixels / WHITE for total in sums)
    spread = [pixels * square - total * total for total, square in zip(sums, squares, strict=True)]
    return mean, tuple(max(LEAST_STD, sqrt(one / pixels**2) / WHITE) for one in spread)


def sizes_of(images: Sequence[Collected]) -> Sizes:
    """The smallest, the (lower) median and the largest image by the shorter side."""
    ordered = sorted(
        ((image.height, image.width) for image in images), key=lambda size: (min(size), max(size), size)
    )
    return Sizes(min=ordered[0], median=ordered[(len(ordered) - 1) // 2], max=ordered[-1])


def counts_of(
    splits: Sequence[SplitName], labels: Sequence[int], classes: int
) -> dict[SplitName, tuple[int, ...]]:
    """Images of each class, by split; splits without images are left out."""
    counts = {split: [0] * classes for split in SPLITS}
    for split, label in zip(splits, labels, strict=True):
        counts[split][label] += 1
    return {split: tuple(of_class) for split, of_class in counts.items() if any(of_class)}


def duplicates_in(splits: Sequence[SplitName], digests: Sequence[bytes]) -> int:
    """Images that are equal to an earlier one of their split."""
    return len(digests) - len(set(zip(splits, digests, strict=True)))


def contradicting(labels: Sequence[int], digests: Sequence[bytes]) -> int:
    """Different images that lie in more than one class."""
    classes: dict[bytes, set[int]] = {}
    for digest, label in zip(digests, labels, strict=True):
        classes.setdefault(digest, set()).add(label)
    return sum(len(found) > 1 for found in classes.values())
