"""The test images that a teacher is verified on: a sample of a data set of the catalog, or of a pack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cartl_core.catalog import DATASETS
from cartl_core.catalog.layouts import TeacherRefused
from cartl_core.data.incoming import FolderPack, open_pack
from cartl_core.data.load_dataset import load_dataset
from cartl_core.data.packed import SPLITS, Pack
from cartl_core.data.packed_images import resized
from cartl_core.data.stratified import stratified
from cartl_core.errors import DatasetMissing
from cartl_core.evaluation.verify_teacher import TestSample
from cartl_core.nn.rng import generator
from cartl_core.spec import ModelSpec
from cartl_core.spec.resources.teacher import Verify

PURPOSE = "verify"
"""What the sample is drawn for."""


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
    images, labels, index = (part[kept] for part in (test.images, test.labels, test.index))
    return TestSample(name, images, labels, index, len(facts.classes), facts.eval_eps)


def of_pack(verify: Verify, model: ModelSpec, pack: Path, *, seed: int) -> TestSample:
    """A stratified sample of the test images of a pack, the middle of each cropped and resized.

    Raises:
        TeacherRefused: its images are in colour, and the teacher sees grey.
        DatasetInvalid: the pack is not there, or damaged.
    """
    kept = open_pack(pack)
    _require_channels(verify.dataset, kept.found.channels, model)
    positions = np.flatnonzero(kept.index.split == SPLITS.index("test"))
    labels = torch.from_numpy(kept.index.label[positions].astype(np.int64))
    drawn = _sample(labels, verify.images, seed)
    images = [_square(kept, int(position), model) for position in positions[drawn.numpy()]]
    return TestSample(
        verify.dataset,
        torch.cat(images),
        labels[drawn],
        drawn,
        len(kept.found.classes),
        kept.found.defaults.eval_eps,
    )


def _square(pack: Pack | FolderPack, position: int, model: ModelSpec) -> Tensor:
    """(1, C, S, S) in [0, 1]: as a job on the same pack sees the image."""
    pixels = torch.from_numpy(np.array(resized(pack.image(position), model.image_size, "fit_crop")))
    image = pixels.permute(2, 0, 1)[None].float() / 255
    return image.repeat(1, model.channels // image.shape[1], 1, 1)


def _sample(labels: Tensor, count: int, seed: int) -> Tensor:
    return stratified(labels, count, generator(seed, PURPOSE))


def _require_channels(dataset: str, channels: int, model: ModelSpec) -> None:
    if channels > model.channels:
        raise TeacherRefused(
            "shape_differs", f"verify.dataset: {dataset} has colour images, the teacher takes one channel"
        )
