"""Figures that count every class alike, and what must be said of classes with few test images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from cartl_core.report.notices import DataRole, FewTestImages, SmallClass
from cartl_core.report.over_classes import BalancedAccuracy, LowestClass, OverClasses
from cartl_core.statistics.over_classes import lowest_proportion, mean_of_proportions

FEW = 10
"""Test images: with fewer the 95 % interval of a class at one half is more than 50 points wide."""
MOST_NAMED = 20


def over_classes(
    right: Sequence[bool], true: Sequence[int], class_names: Sequence[str]
) -> OverClasses | None:
    """Balanced accuracy and the lowest class of outcomes, image by image; None without images.

    Args:
        right: of each of n images.
        true: their classes.
    """
    images = Counter(true)
    hits = Counter(label for label, hit in zip(true, right, strict=True) if hit)
    labels = sorted(images)
    if not labels:
        return None
    counts = [(hits[label], images[label]) for label in labels]
    mean, low, high = mean_of_proportions(counts)
    which, lowest_low, lowest_high = lowest_proportion(counts)
    successes, n = counts[which]
    return OverClasses(
        classes=len(labels),
        fewest=min(images.values()),
        balanced=BalancedAccuracy(value=mean, low=low, high=high),
        lowest=LowestClass(
            label=labels[which],
            name=class_names[labels[which]],
            n=n,
            value=successes / n,
            low=lowest_low,
            high=lowest_high,
        ),
    )


def few_test_images(
    role: DataRole, true: Sequence[int], class_names: Sequence[str]
) -> Iterator[FewTestImages]:
    """Classes that are measured on fewer than ten images; one notice a data set.

    Args:
        true: classes of the test images.
    """
    images = Counter(true)
    small = [
        SmallClass(name=name, n=images[label])
        for label, name in enumerate(class_names)
        if images[label] < FEW
    ]
    if small:
        small.sort(key=lambda row: row.n)
        yield FewTestImages(
            role=role, classes=len(class_names), few=len(small), smallest=tuple(small[:MOST_NAMED])
        )
