"""Facts of the data set that a ``DataSpec`` names: a row of the catalog, or a person's own images."""

from __future__ import annotations

from math import ceil

from pydantic import Field, InstanceOf

from cartl_core.spec import DatasetName, DataSpec, Name
from cartl_core.spec.datasets import DATASETS, DatasetFacts


class OwnDataSpec(DataSpec):
    """Images that a person handed to ``cartl_core.run``. Made by the library alone, from no request.

    It is stored like any ``DataSpec``, by its name; the facts are not stored, and what is stored names no
    data set of the catalog, so it cannot be run again without the images.
    """

    name: Name
    facts: InstanceOf[DatasetFacts] = Field(exclude=True, repr=False)
    like: DatasetName | None = Field(
        default=None, exclude=True, description="The catalog's row whose draws it repeats."
    )


def facts_of(data: DataSpec) -> DatasetFacts:
    """What is fixed about the data set that ``data`` names."""
    return data.facts if isinstance(data, OwnDataSpec) else DATASETS[data.name]


def with_classes(data: DataSpec, classes: tuple[int, ...]) -> DataSpec:
    """The same data set as ``data``, other classes of it, and nothing else taken over."""
    if isinstance(data, OwnDataSpec):
        return OwnDataSpec(name=data.name, classes=classes, facts=data.facts, like=data.like)
    return DataSpec(name=data.name, classes=classes)


def draws_of(data: DataSpec) -> str:
    """The text that seeds which images of ``data`` are kept and which validate."""
    return (data.like if isinstance(data, OwnDataSpec) else None) or data.name


def share_of_classes(data: DataSpec, images: int) -> int:
    """Of all ``images`` of a data set, those of the chosen classes, as if classes were equally large."""
    classes = facts_of(data).classes
    return ceil(images * len(data.classes or classes) / len(classes))
