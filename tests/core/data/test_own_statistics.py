"""Mean and deviation of a person's own images are those of numpy over all of them at once."""

from __future__ import annotations

import numpy as np
import pytest

from cartl_core.data.own_dataset import Dataset, check_dataset


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("count", [3, 256, 700])
def test_statistics_in_parts_are_those_of_the_whole(kind: str, count: int) -> None:
    draw = np.random.default_rng(count)
    images = (
        draw.integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)
        // np.array([1, 2, 3], np.uint8)[:, None, None]
    )
    floats = images.astype(np.float64) / 255
    given = images if kind == "uint8" else draw.random((count, 3, 8, 8), dtype=np.float32)
    whole = floats if kind == "uint8" else given.astype(np.float64)
    labels = np.arange(count) % 2
    facts = check_dataset("mine", Dataset(given, labels, given, labels, class_names=("a", "b"))).facts
    assert facts.mean == tuple(whole.mean(axis=(0, 2, 3)).round(4).tolist())
    assert facts.std == tuple(whole.std(axis=(0, 2, 3)).round(4).tolist())


@pytest.mark.parametrize("odd", [None, 0, 699])
def test_floats_are_bytes_again_only_if_all_of_them_were(odd: int | None) -> None:
    images = np.random.default_rng(0).integers(0, 256, (700, 1, 8, 8), dtype=np.uint8)
    floats = images.astype(np.float32) / np.float32(255)
    if odd is not None:
        floats[odd, 0, 3, 3] = 0.5001
    labels = np.arange(700) % 2
    kept = check_dataset("mine", Dataset(floats, labels, floats, labels, class_names=("a", "b"))).archive
    assert kept.train.images.dtype == (np.uint8 if odd is None else np.float32)
    if odd is None:
        assert np.array_equal(kept.train.images[..., 0], images[:, 0])
