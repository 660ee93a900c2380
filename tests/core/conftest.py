"""Fixtures of the library's tests."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.fixtures.runs import arm, job, runtime, task, teacher, tiny, variant, workspace

__all__ = ["arm", "job", "runtime", "task", "teacher", "tiny", "variant", "workspace"]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from threads, and test processes side by side lose much by them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def write_idx() -> Callable[..., None]:
    """Writes the four idx files of a small MNIST-like data set: 28 x 28, ten classes."""

    def write(folder: Path, *, train: int = 60, test: int = 20, seed: int = 0, packed: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(seed)
        for prefix, count in (("train", train), ("t10k", test)):
            images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
            labels = (np.arange(count) % 10).astype(np.uint8)
            for name, values in (
                (f"{prefix}-images-idx3-ubyte", images),
                (f"{prefix}-labels-idx1-ubyte", labels),
            ):
                header = bytes((0, 0, 8, values.ndim)) + b"".join(
                    size.to_bytes(4, "big") for size in values.shape
                )
                content = header + values.tobytes()
                if packed:
                    (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1))
                else:
                    (folder / name).write_bytes(content)

    return write
