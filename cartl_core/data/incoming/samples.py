"""A picture of some images of each class, made while a data set is checked, for people who look at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cartl_core.data.incoming.registered import FolderPack
from cartl_core.data.packed import SPLITS, Pack
from cartl_core.errors import DatasetInvalid
from cartl_core.spec.resources.samples import SAMPLE_PIXELS, SAMPLES, SAMPLES_A_CLASS, rows_of_samples

GREY = 128
"""Beside an image that is no square."""


def write_samples(directory: Path, pack: Pack | FolderPack) -> None:
    """Write the sheet of samples beside the pack; none where an image has changed under the check.

    A row of ``SAMPLES_A_CLASS`` images for each class in the order of labels, spread over its training
    images; no more rows than ``rows_of_samples`` says.
    """
    rows = rows_of_samples(len(pack.found.classes))
    mode = "L" if pack.found.channels == 1 else "RGB"
    size = (SAMPLES_A_CLASS * SAMPLE_PIXELS, rows * SAMPLE_PIXELS)
    sheet = Image.new(mode, size, GREY if mode == "L" else (GREY, GREY, GREY))
    try:
        for row, column, position in _chosen(pack, rows):
            small = _fitted(pack.image(position))
            left = column * SAMPLE_PIXELS + (SAMPLE_PIXELS - small.width) // 2
            top = row * SAMPLE_PIXELS + (SAMPLE_PIXELS - small.height) // 2
            sheet.paste(small, (left, top))
    except DatasetInvalid:
        return
    sheet.save(directory / SAMPLES, format="PNG", optimize=True)


def _chosen(pack: Pack | FolderPack, rows: int) -> Iterator[tuple[int, int, int]]:
    """Row, column and position in the pack of each sample."""
    training = np.flatnonzero(pack.index.split == SPLITS.index("train"))
    labels = pack.index.label[training]
    for label in range(rows):
        own = training[labels == label]
        spread = np.linspace(0, len(own) - 1, min(SAMPLES_A_CLASS, len(own))).round().astype(int)
        for column, place in enumerate(spread):
            yield label, column, int(own[place])


def _fitted(pixels: NDArray[np.uint8]) -> Image.Image:
    """An image (H, W, C) as large as its place; pixels of a small one stay sharp."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))
    longest = max(image.size)
    scaled = (max(1, round(side * SAMPLE_PIXELS / longest)) for side in image.size)
    way = Image.Resampling.NEAREST if longest < SAMPLE_PIXELS else Image.Resampling.BOX
    return image.resize((next(scaled), next(scaled)), way)
