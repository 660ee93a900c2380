"""What a person should know of the data: one function a warning, in the order in which they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cartl_core.spec.resources.dataset import DatasetReport, DatasetWarning, SplitName
from cartl_core.statistics.proportions import wilson

LARGEST_IMBALANCE = 10
FEW_IMAGES = 10
MOST_CLASSES_NAMED = 5


@dataclass(frozen=True)
class Known:
    """What the warnings are made of."""

    classes: tuple[str, ...]
    counts: dict[SplitName, tuple[int, ...]]
    changes: Counter[str]
    """Images by what was done to them."""
    mixed: int
    """Grey images that were given three channels, beside images with colour."""
    contradicting: int
    without_images: tuple[str, ...]
    """Folders where classes lie, of which no image could be used."""
    drawn: bool


def _images(count: int) -> str:
    return f"{count:,} image{'s' * (count != 1)}"


def _they(count: int) -> str:
    return "It was" if count == 1 else "They were"


def _named(names: Sequence[str]) -> str:
    more = len(names) - MOST_CLASSES_NAMED
    return ", ".join(names[:MOST_CLASSES_NAMED]) + (f" and {more} more" if more > 0 else "")


def _few_test_images(known: Known, _: DatasetReport) -> str | None:
    few = [
        (count, name)
        for name, count in zip(known.classes, known.counts["test"], strict=True)
        if count < FEW_IMAGES
    ]
    if not few:
        return None
    least = min(few)[0]
    widest = wilson(least // 2, least)
    points = round(100 * (widest.high - widest.low))
    named = _named([f"{name} ({count})" for count, name in few])
    have = "has" if len(few) == 1 else "have"
    return (
        f"{len(few)} of {len(known.classes)} classes {have} fewer than {FEW_IMAGES} test images: {named}. "
        f"The 95 % interval of an accuracy on {_images(least)} is up to {points} points "
        "wide, so figures of single classes say little; the mean over all test images is not concerned."
    )


def _imbalance(known: Known, _: DatasetReport) -> str | None:
    train = known.counts["train"]
    if max(train) <= LARGEST_IMBALANCE * min(train):
        return None
    largest, smallest = train.index(max(train)), train.index(min(train))
    return (
        f"The largest class ({known.classes[largest]}, {max(train):,} training images) has "
        f"{max(train) / min(train):.0f} times as many as the smallest ({known.classes[smallest]}, "
        f"{min(train):,}): class weights or balanced sampling help, and balanced accuracy tells more than "
        "the mean."
    )


def _shared(_: Known, report: DatasetReport) -> str | None:
    count = report.shared_train_test
    if not count:
        return None
    are = "is a test image" if count == 1 else "are test images"
    return (
        f"{_images(count)} of training or validation {are}, too. "
        f"{_they(count)} left out there, so that tests stay honest."
    )


def _shared_with_validation(_: Known, report: DatasetReport) -> str | None:
    count = report.skipped_by_reason.get("also_in_val", 0)
    if not count:
        return None
    both = "validates, too, and was" if count == 1 else "validate, too, and were"
    return f"{_images(count)} of training {both} left out of training."


def _duplicates(_: Known, report: DatasetReport) -> str | None:
    count = report.duplicates
    if not count:
        return None
    equal = "equals an earlier one of its split" if count == 1 else "equal an earlier one of their split"
    return f"{_images(count)} {equal}. {_they(count)} kept."


def _contradicting(known: Known, _: DatasetReport) -> str | None:
    if not known.contradicting:
        return None
    lie, them = ("lies", "it") if known.contradicting == 1 else ("lie", "them")
    return f"{_images(known.contradicting)} {lie} in more than one class: no network can tell {them} right."


def _without_images(known: Known, _: DatasetReport) -> str | None:
    if not known.without_images:
        return None
    return (
        f"These folders hold no image that can be used, and are no classes: {_named(known.without_images)}."
    )


def _drawn(known: Known, _: DatasetReport) -> str | None:
    if not known.drawn or "val" not in known.counts:
        return None
    return (
        "There is a split for validation but none for tests: test images were drawn from those of training."
    )


def _mixed(known: Known, _: DatasetReport) -> str | None:
    if not known.mixed:
        return None
    was = "was" if known.mixed == 1 else "were"
    return f"{_images(known.mixed)} without colour {was} given three equal channels, as others have colours."


def _change(name: str, said: str) -> Callable[[Known, DatasetReport], str | None]:
    def warning(known: Known, _: DatasetReport) -> str | None:
        count = known.changes[name]
        return said.format(_images(count), "was" if count == 1 else "were") if count else None

    return warning


WARNINGS: dict[str, Callable[[Known, DatasetReport], str | None]] = {
    "few_test_images": _few_test_images,
    "class_imbalance": _imbalance,
    "shared_train_test": _shared,
    "shared_train_val": _shared_with_validation,
    "contradicting_labels": _contradicting,
    "classes_without_images": _without_images,
    "test_drawn_beside_validation": _drawn,
    "duplicates": _duplicates,
    "grey_among_colours": _mixed,
    "transparent": _change("transparent", "{} had transparent pixels, which are shown over white."),
    "cmyk": _change("cmyk", "{} in CMYK {} converted to RGB without a colour profile."),
    "sixteen_bits": _change("sixteen_bits", "{} of 16 bits {} divided by 257."),
    "rotated": _change("rotated", "{} {} turned upright, as EXIF data say."),
}
"""By code: what is said, or None where there is nothing to say."""


def warnings_of(known: Known, report: DatasetReport) -> tuple[DatasetWarning, ...]:
    """All warnings that apply."""
    said = ((code, warning(known, report)) for code, warning in WARNINGS.items())
    return tuple(DatasetWarning(code=code, message=message) for code, message in said if message)
