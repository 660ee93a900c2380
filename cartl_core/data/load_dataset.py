"""A data set by name, for a person's own use: the images that a job with the same settings would see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from cartl_core.catalog import DATASETS
from cartl_core.data.loading import load
from cartl_core.data.splits import Loaded
from cartl_core.errors import ArgumentInvalid
from cartl_core.spec import DataSpec, ModelSpec
from cartl_core.spec.faults import faults_of


def load_dataset(
    name: str,
    *,
    data_root: str | Path = "data",
    classes: Sequence[int] | None = None,
    train_limit: int | None = None,
    validation_fraction: float = 0.1,
    image_size: int | None = None,
    channels: int | None = None,
    seed: int = 0,
    download: bool = True,
) -> Loaded:
    """Training, validation and test images, float32 (N, C, H, W) in [0, 1], with int64 labels.

    Images are kept as their files hold them. What is asked for becomes floats: ``images[:100]``,
    ``images[i]`` and ``images[mask]`` are tensors, ``len(images)`` and ``images.shape`` cost nothing,
    ``images.tensor()`` is all of them.

    >>> from cartl_core import load_dataset
    >>> digits = load_dataset("digits", classes=[0, 1], image_size=8)
    >>> digits.test.images.shape[1:], sorted(set(digits.test.labels.tolist()))
    (torch.Size([1, 8, 8]), [0, 1])

    Args:
        name: a data set of ``cartl_core.catalog.DATASETS``; "digits" needs no download.
        data_root: the folder that holds the data sets, or gets them.
        classes: labels to keep, at least two; class i of the task is ``classes[i]``. None keeps all.
        train_limit: training images kept, stratified, before validation is taken out; None keeps all.
        validation_fraction: 0.01 to 0.5, part of the training images that is set aside.
        image_size: height and width in pixels, 8 to 384; None is the data set's own (at least 8).
        channels: 1 or 3; None is the data set's own. Grey is repeated.
        seed: decides which images are kept and which validate.
        download: fetch what is missing from its publisher.

    Raises:
        SpecError: an argument is not valid; it says which, and what is allowed.
        DatasetMissing: the files are not there and could not be downloaded.
        DatasetInvalid: the files are damaged.
    """
    if name not in DATASETS:
        raise ArgumentInvalid("name", f"{name!r} is no known data set", allowed=", ".join(DATASETS))
    facts = DATASETS[name]
    try:
        data = DataSpec.model_validate(
            {
                "name": name,
                "classes": None if classes is None else tuple(classes),
                "train_limit": train_limit,
                "validation_fraction": validation_fraction,
            }
        )
        shape = ModelSpec.model_validate(
            {
                "name": "tiny",
                "image_size": facts.image_size if image_size is None else image_size,
                "channels": facts.channels if channels is None else channels,
            }
        )
    except ValidationError as error:
        model: type[BaseModel] = {"DataSpec": DataSpec}.get(error.title, ModelSpec)
        fault = faults_of(model, error)[0]
        raise ArgumentInvalid(fault.field, fault.message, allowed=fault.allowed) from error
    unknown = [label for label in data.classes or () if label >= len(facts.classes)]
    if unknown or (data.classes and len(set(data.classes)) < len(data.classes)):
        raise ArgumentInvalid(
            "classes", f"{data.classes}", allowed=f"distinct labels from 0 to {len(facts.classes) - 1}"
        )
    return load(data, shape, data_root=Path(data_root), seed=seed, download=download, field="name")
