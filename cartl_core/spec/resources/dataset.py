"""Data sets that people bring: how one is announced, checked, and what was found in it.

An archive or a folder is looked at once, by a task of the worker (``DatasetCheckOrder`` to
``DatasetCheckResult``). What is kept is a pack (``cartl_core.data.packed``), which jobs read.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cartl_core.spec.base import ARRAY, SpecModel
from cartl_core.spec.datasets import DatasetName
from cartl_core.spec.measures.attack import LARGEST_SIDE, SMALLEST_SIDE
from cartl_core.spec.resources.common import Licence, PerChannel, ResourceName
from cartl_core.spec.training import Augmentation

GIB = 2**30

DatasetState = Literal["receiving", "checking", "ready", "rejected", "changed"]
DatasetFormat = Literal["auto", "archive", "npz"]
DatasetRejection = Literal[
    "archive_unsafe", "archive_too_large", "unreadable", "too_few_classes", "too_few_images"
]
SplitName = Literal["train", "val", "test"]


class NewDataset(SpecModel):
    """What a person posts before the bytes of a data set."""

    name: ResourceName
    size: int | None = Field(default=None, ge=1, description="Bytes of the content; null with `root`.")
    root: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="A folder of the server, for operators: registered where it is, not copied.",
    )
    format: DatasetFormat = "auto"
    test_fraction: float = Field(
        default=0.2, ge=0.01, le=0.9, description="Kept for tests where the content has no test split."
    )
    split_seed: int = Field(default=0, ge=0, le=2**31 - 1)
    licence: Licence | None = None


class DatasetLimits(SpecModel):
    """What a check allows; settings of the deployment."""

    archive_bytes: int = Field(default=20 * GIB, ge=1)
    entries: int = Field(default=500_000, ge=1, description="Members of an archive, files of a folder.")
    expanded_bytes: int = Field(
        default=64 * GIB, ge=1, description="Of all members unpacked, and of all images decoded."
    )
    image_pixels: int = Field(default=64_000_000, ge=1, description="Height times width of one image.")
    classes: int = Field(default=1000, ge=2)
    depth: int = Field(default=8, ge=1, description="Folders inside one another.")


class DatasetCheckOrder(SpecModel):
    """What the task that checks a data set is to do."""

    name: ResourceName
    format: DatasetFormat = "auto"
    test_fraction: float = Field(default=0.2, ge=0.01, le=0.9)
    split_seed: int = Field(default=0, ge=0, le=2**31 - 1)
    limits: DatasetLimits = DatasetLimits()


class SkippedFile(SpecModel):
    """A file that is not in the data set, and why."""

    path: str
    reason: str


class DatasetWarning(SpecModel):
    """Something that a person should know of the data; ``message`` is for people."""

    code: str
    message: str


class DatasetReport(SpecModel):
    """What was found while every file was looked at."""

    files: int = Field(ge=0, description="All of them; `taken` and what was skipped.")
    taken: int = Field(ge=0)
    skipped: Annotated[tuple[SkippedFile, ...], ARRAY] = Field(
        default=(), max_length=100, description="The first of them."
    )
    skipped_by_reason: dict[str, int] = {}
    duplicates: int = Field(default=0, ge=0, description="Images equal to an earlier one of their split.")
    shared_train_test: int = Field(
        default=0, ge=0, description="Images of training or validation that are test images, too."
    )
    warnings: Annotated[tuple[DatasetWarning, ...], ARRAY] = ()


Side = Annotated[tuple[int, int], ARRAY]


class Sizes(SpecModel):
    """Height and width in pixels: the smallest, the median and the largest image by its shorter side."""

    min: Side
    median: Side
    max: Side


class DatasetDefaults(SpecModel):
    """What a job takes over where its request says nothing. Radii and steps are in pixel units, linf."""

    image_size: int = Field(
        ge=SMALLEST_SIDE, le=LARGEST_SIDE, description="Height and width of the network's input."
    )
    train_eps: float
    eval_eps: float
    eval_step: float
    augmentation: Augmentation


class FoundDataset(SpecModel):
    """All that is known of a data set that is ready."""

    fingerprint: str = Field(description="SHA-256 of pixels, labels, splits and class names, 64 digits.")
    channels: Literal[1, 3]
    classes: Annotated[tuple[str, ...], ARRAY]
    counts: dict[SplitName, Annotated[tuple[int, ...], ARRAY]] = Field(
        description="Images of each class, by split; `val` only where the content has one."
    )
    sizes: Sizes
    mean: PerChannel = Field(description="Of the training images on [0, 1].")
    std: PerChannel
    defaults: DatasetDefaults
    report: DatasetReport


class ClassCounts(SpecModel):
    """Images of each class, in the order of the classes, by split."""

    train: Annotated[tuple[int, ...], ARRAY]
    val: Annotated[tuple[int, ...], ARRAY] | None = Field(
        default=None, description="Null where the content has no such split."
    )
    test: Annotated[tuple[int, ...], ARRAY]


class DataFacts(SpecModel):
    """What a specification keeps of a data set that a person brought."""

    channels: Literal[1, 3]
    classes: Annotated[tuple[str, ...], ARRAY] = Field(min_length=2, max_length=1000)
    counts: ClassCounts
    sizes: Sizes
    mean: PerChannel
    std: PerChannel
    defaults: DatasetDefaults
    title: str | None = Field(default=None, description="What reports call it; null: its name.")
    like: DatasetName | None = Field(
        default=None,
        description="Of images in memory: the data set of the catalog whose settings and draws they repeat.",
    )
    licence: Licence | None = Field(
        default=None,
        exclude_if=lambda licence: licence is None,
        description="As its owner says. Left out where nobody said it.",
    )

    @classmethod
    def of(cls, found: FoundDataset, *, licence: str | None = None) -> DataFacts:
        """Those of a data set that is ready."""
        counts = {str(split): images for split, images in found.counts.items()}
        return cls(
            channels=found.channels,
            classes=found.classes,
            counts=ClassCounts(train=counts["train"], val=counts.get("val"), test=counts["test"]),
            sizes=found.sizes,
            mean=found.mean,
            std=found.std,
            defaults=found.defaults,
            licence=licence,
        )


class DatasetCheckResult(SpecModel):
    """How a check ended; ``found`` is null where it was rejected, ``reason`` where it was not."""

    state: Literal["ready", "rejected"]
    reason: DatasetRejection | None = None
    message: str | None = Field(default=None, description="What to do about it, for people.")
    found: FoundDataset | None = None
