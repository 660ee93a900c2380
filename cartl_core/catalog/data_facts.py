"""Facts of the data set that a ``DataSpec`` names: a row of the catalog, or images that a person brought."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import ceil

from cartl_core.spec import DataSpec
from cartl_core.spec.datasets import DATASETS, DatasetFacts, DatasetName
from cartl_core.spec.resources.dataset import DataFacts

TEMPLATES: dict[int, DatasetName] = {1: "fashion_mnist", 3: "cifar10"}
"""By channels: whose row of the catalog gives what is not known of images that a person brought."""
SOURCES: dict[int, DatasetName] = {1: "fashion_mnist", 3: "cifar100"}
"""By channels: the source of images that a person brought, where there is neither a source nor a teacher."""


def facts_of(data: DataSpec) -> DatasetFacts:
    """What is fixed about the data set that ``data`` names."""
    return DATASETS[data.name] if data.facts is None else _brought(data.name, data.facts)


@lru_cache(maxsize=64)
def _brought(name: str, facts: DataFacts) -> DatasetFacts:
    like = DATASETS[facts.like] if facts.like else None
    defaults, counts = facts.defaults, facts.counts
    return replace(
        like or DATASETS[TEMPLATES[facts.channels]],
        name=name,
        title=facts.title or name,
        classes=facts.classes,
        image_size=defaults.image_size,
        channels=facts.channels,
        train_images=sum(counts.train) + sum(counts.val or ()),
        test_images=sum(counts.test),
        mean=facts.mean,
        std=facts.std,
        train_eps=defaults.train_eps,
        eval_eps=defaults.eval_eps,
        eval_step=defaults.eval_step,
        augmentation=defaults.augmentation,
        default_source=like.default_source if like else SOURCES[facts.channels],
        consistency_weight=like.consistency_weight if like else 1.0,
    )


def is_brought(data: DataSpec) -> bool:
    """Whether a person brought it, with no row of the catalog to go by."""
    return data.facts is not None and data.facts.like is None


def with_classes(data: DataSpec, classes: tuple[int, ...]) -> DataSpec:
    """The same data set as ``data``, other classes of it, and nothing else taken over."""
    return DataSpec(
        name=data.name,
        id=data.id,
        fingerprint=data.fingerprint,
        facts=data.facts,
        classes=classes,
        resize=data.resize,
    )


def draws_of(data: DataSpec) -> str:
    """The text that seeds which images of ``data`` are kept and which validate."""
    return data.fingerprint or (data.facts and data.facts.like) or data.name


def is_same_data(one: DataSpec, other: DataSpec) -> bool:
    """Whether two name one data set."""
    return (one.fingerprint or one.name) == (other.fingerprint or other.name)


def share_of_classes(data: DataSpec, images: int) -> int:
    """Of all ``images`` of a data set, those of the chosen classes, as if classes were equally large."""
    classes = facts_of(data).classes
    return ceil(images * len(data.classes or classes) / len(classes))
