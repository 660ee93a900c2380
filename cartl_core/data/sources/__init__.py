"""Where each data set may lie under the data root, and who reads it: one line a data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cartl_core.catalog import DATASETS, DatasetFacts
from cartl_core.compat import debian
from cartl_core.data.sources import digits, folders, idx, published
from cartl_core.data.sources.common import Reader

Finder = Callable[[DatasetFacts, Path], Reader | None]

FINDERS: dict[str, tuple[Finder, ...]] = {
    "digits": (digits.find,),
    "mnist": (idx.find,),
    "fashion_mnist": (idx.find,),
    "cifar10": (folders.find, published.find_cifar),
    "cifar100": (folders.find, published.find_cifar),
    "svhn": (published.find_svhn,),
    "gtsrb": (published.find_gtsrb,),
}

_IDX = "/{train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]"
EXPECTED: dict[str, tuple[str, ...]] = {
    "digits": (),
    "mnist": tuple(folder + _IDX for folder in idx.DIRECTORIES["mnist"]),
    "fashion_mnist": tuple(
        folder + _IDX for folder in (*idx.DIRECTORIES["fashion_mnist"], f"/{debian.FASHION_MNIST}")
    ),
    "cifar10": ("cifar10/{train,test}/CLASS/*.png", "cifar-10-batches-py/*_batch*"),
    "cifar100": ("cifar100/{train,test}/CLASS/*.png", "cifar-100-python/{train,test,meta}"),
    "svhn": ("svhn/{train,test}_32x32.mat",),
    "gtsrb": ("gtsrb/GTSRB/Training with gtsrb/GTSRB/Final_Test/Images and gtsrb/GT-final_test.csv",),
}
"""Files that make a data set present, relative to the data root; any one of the lines is enough."""


def find(name: str, root: Path) -> Reader | None:
    """A reader for the files of data set ``name`` under ``root``, or None if they are not there."""
    facts = DATASETS[name]
    readers = (finder(facts, root) for finder in FINDERS[name])
    return next((reader for reader in readers if reader is not None), None)
