"""scikit-learn's handwritten digits: inside the package, so it is always there.

It comes as one set of 1,797 images; 360 of them, stratified and always the same, are the test split.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from cartl_core.catalog import DatasetFacts
from cartl_core.data.sources.common import Reader
from cartl_core.data.splits import Archive, originals
from cartl_core.data.stratified import stratified
from cartl_core.nn.rng import generator

HIGHEST = 16


def find(facts: DatasetFacts, root: Path) -> Reader | None:
    """Always there; ``root`` is not looked at."""
    return lambda: _read(facts.test_images)


def _read(test_images: int) -> Archive:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = bunch.images.astype(np.uint8)[..., None]
    labels = bunch.target.astype(np.int64)
    # A fixed seed, not the job's: the test split is the same for everybody.
    test = stratified(torch.from_numpy(labels), test_images, generator(0, "digits", "test")).numpy()
    train = np.setdiff1d(np.arange(len(labels)), test)
    return Archive(
        originals(images[train], labels[train]), originals(images[test], labels[test]), highest=HIGHEST
    )
