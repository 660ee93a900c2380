"""Whether the files of a data set are there, told without reading them and without torch.

The same as whether a reader is found (``cartl_core.data.sources.find``); whether the files are whole is seen
when they are read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cartl_core.compat import debian
from cartl_core.spec.datasets import DATASETS, DatasetFacts

IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
SVHN_FILES = ("svhn/train_32x32.mat", "svhn/test_32x32.mat")
GTSRB_FOLDERS = ("gtsrb/GTSRB/Training", "gtsrb/GTSRB/Final_Test/Images")

Look = Callable[[DatasetFacts, Path], bool]
"""Of a data set and the data root: whether the reader finds its files there."""


def idx_folders(facts: DatasetFacts, root: Path) -> tuple[Path, ...]:
    """Where files in MNIST's format are looked for, in this order."""
    system = debian.installed(facts.installed) if facts.installed else ()
    return (*(root / folder for folder in facts.folders), *system)


def idx_file(folder: Path, name: str) -> Path | None:
    """A file of MNIST's format, plain or as .gz."""
    candidates = (folder / name, folder / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _idx(facts: DatasetFacts, root: Path) -> bool:
    return any(
        all(idx_file(folder, name) is not None for name in IDX_FILES) for folder in idx_folders(facts, root)
    )


def _class_folders(facts: DatasetFacts, root: Path) -> bool:
    return all((root / facts.name / split).is_dir() for split in ("train", "test"))


def _cifar(facts: DatasetFacts, root: Path) -> bool:
    return all((root / folder).is_dir() for folder in facts.folders)


def _svhn(facts: DatasetFacts, root: Path) -> bool:
    return all((root / file).is_file() for file in SVHN_FILES)


def _gtsrb(facts: DatasetFacts, root: Path) -> bool:
    return all((root / folder).is_dir() for folder in GTSRB_FOLDERS)


LOOKS: dict[str, Look] = {
    "cartl_core.data.sources.digits:find": lambda facts, root: True,
    "cartl_core.data.sources.folders:find": _class_folders,
    "cartl_core.data.sources.idx:find": _idx,
    "cartl_core.data.sources.published:find_cifar": _cifar,
    "cartl_core.data.sources.published:find_gtsrb": _gtsrb,
    "cartl_core.data.sources.published:find_svhn": _svhn,
}
"""By the reader that a row of the catalog names."""


def is_present(name: str, data_root: Path) -> bool | None:
    """Whether a data set of the catalog is there; None where only its own reader can tell."""
    facts = DATASETS[name]
    looks = [LOOKS.get(reader) for reader in facts.readers]
    if any(look is not None and look(facts, data_root) for look in looks):
        return True
    return None if None in looks else False
