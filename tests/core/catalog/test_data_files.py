"""Whether files are there is told without torch exactly as the readers find them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartl_core.catalog.data_files import IDX_FILES, LOOKS, is_present
from cartl_core.compat.torchvision_import import import_torchvision
from cartl_core.data.sources import find
from cartl_core.spec.datasets import DATASETS

IDX_FOLDERS = ("mnist", "MNIST/raw", "fashion-mnist", "fashion_mnist", "usr/share/datasets/fashion-mnist")
FILES = [f"{folder}/{name}{end}" for folder in IDX_FOLDERS for name in IDX_FILES for end in ("", ".gz")]
FILES += [f"{name}/{split}/x/1.png" for name in ("cifar10", "cifar100") for split in ("train", "test")]
FILES += ["cifar-10-batches-py/data_batch_1", "cifar-100-python/train", "cifar-100-python"]
FILES += ["svhn/train_32x32.mat", "svhn/test_32x32.mat", "svhn"]
FILES += ["gtsrb/GTSRB/Training/00000/1.ppm", "gtsrb/GTSRB/Final_Test/Images/1.ppm"]
WHOLE = [[f"{folder}/{name}" for name in IDX_FILES] for folder in IDX_FOLDERS]


@settings(max_examples=40)
@given(st.lists(st.one_of(st.sampled_from(FILES).map(lambda one: [one]), st.sampled_from(WHOLE)), max_size=6))
def test_the_readers_agree(files: list[list[str]]) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for name in (name for group in files for name in group):
            path = root / name
            if not path.exists() and not any((root / part).is_file() for part in Path(name).parents):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        for name in DATASETS:
            assert is_present(name, root) == (find(name, root) is not None), name


def test_every_reader_of_the_catalog_is_known() -> None:
    assert {reader for facts in DATASETS.values() for reader in facts.readers} == LOOKS.keys()


def test_a_reader_of_somebodys_own_is_not_guessed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(LOOKS, "cartl_core.data.sources.folders:find")
    assert is_present("cifar10", tmp_path) is None
    (tmp_path / "cifar-10-batches-py").mkdir()
    assert is_present("cifar10", tmp_path) is True


def test_hosts_are_those_that_torchvision_asks() -> None:
    """Sizes are the publishers': torchvision has none to compare them with."""
    sets = import_torchvision().datasets
    for facts in DATASETS.values():
        if facts.torchvision is None:
            continue
        kind = getattr(sets, facts.torchvision.name)
        told = str([getattr(kind, name, "") for name in ("mirrors", "url", "split_list")])
        if facts.name == "gtsrb":  # its address is inside a method
            told = str(kind.download.__code__.co_consts)
        assert f"//{facts.torchvision.host}/" in told, facts.name
        assert facts.torchvision.size > 10**7
