"""The test images that a teacher is verified on: a sample of a data set of the catalog, or of a pack."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from cartl_core.catalog import DATASETS
from cartl_core.catalog.layouts import TeacherRefused
from cartl_core.data.image_set import ImageSet
from cartl_core.data.incoming import open_pack
from cartl_core.data.load_dataset import load_dataset
from cartl_core.data.network_input import NetworkInput
from cartl_core.data.packed_images import archive_of_pack
from cartl_core.data.splits import Sizing
from cartl_core.data.stratified import stratified
from cartl_core.errors import DatasetMissing
from cartl_core.evaluation.verify_teacher import TestSample
from cartl_core.execution.scratch import Scratch
from cartl_core.nn.rng import generator
from cartl_core.spec import ModelSpec
from cartl_core.spec.resources.teacher import Verify

PURPOSE = "verify"
"""What the sample is drawn for."""
WHITE = 255


def of_catalog(verify: Verify, model: ModelSpec, *, data_root: Path, download: bool, seed: int) -> TestSample:
    """A stratified sample of the test images of a data set of the catalog.

    Raises:
        TeacherRefused: its images are in colour, and the teacher sees grey.
        DatasetMissing: there is no such data set, or its files are not there.
        DatasetInvalid: the files are damaged.
    """
    name, facts = verify.dataset, DATASETS.get(verify.dataset)
    if facts is None:
        raise DatasetMissing(f"verify.dataset: {name} is none of {', '.join(DATASETS)}, and no pack is given")
    _require_channels(name, facts.channels, model)
    test = load_dataset(
        name,
        data_root=data_root,
        image_size=model.image_size,
        channels=model.channels,
        download=download,
    ).test
    kept = _sample(test.labels, verify.images, seed)
    return TestSample(
        name,
        test.images.subset(kept),
        test.labels[kept],
        test.index[kept],
        len(facts.classes),
        facts.eval_eps,
    )


def of_pack(verify: Verify, model: ModelSpec, pack: Path, *, seed: int) -> TestSample:
    """A stratified sample of the test images of a pack, the middle of each cropped and resized.

    Raises:
        TeacherRefused: its images are in colour, and the teacher sees grey.
        DatasetInvalid: the pack is not there, or damaged.
    """
    kept = open_pack(pack)
    _require_channels(verify.dataset, kept.found.channels, model)
    test = archive_of_pack(kept).test
    labels = torch.from_numpy(test.labels)
    drawn = _sample(labels, verify.images, seed)
    pixels, rows = test.pixels(drawn.numpy(), Sizing(model.image_size, "fit_crop", Scratch()))
    return TestSample(
        verify.dataset,
        ImageSet(NetworkInput(pixels, WHITE, model), torch.from_numpy(rows)),
        labels[drawn],
        drawn,
        len(kept.found.classes),
        kept.found.defaults.eval_eps,
    )


def _sample(labels: Tensor, count: int, seed: int) -> Tensor:
    return stratified(labels, count, generator(seed, PURPOSE))


def _require_channels(dataset: str, channels: int, model: ModelSpec) -> None:
    if channels > model.channels:
        raise TeacherRefused(
            "shape_differs", f"verify.dataset: {dataset} has colour images, the teacher takes one channel"
        )
