"""No image of source and target is shared in the end: a few are left out of the source, many are refused."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cartl_core.data import Loaded, keep_apart, left_out, load
from cartl_core.data.splits import Split
from cartl_core.errors import DataOverlap
from cartl_core.render.sentences import notice
from cartl_core.spec import DataSpec, ModelSpec

WriteIdx = Callable[..., None]
MODEL = ModelSpec(name="tiny", image_size=8, channels=1)


def digits(root: Path, *classes: int) -> Loaded:
    return load(DataSpec(name="digits", classes=classes), MODEL, data_root=root, seed=0)


def grey(name: str, root: Path) -> Loaded:
    return load(DataSpec(name=name), MODEL, data_root=root, seed=0, download=False)


def splits(data: Loaded) -> dict[str, Split]:
    return {"train": data.train, "validation": data.validation, "test": data.test}


def copy_images(folder: Path, other: Path, count: int) -> None:
    """The first test images of ``folder`` become the first training images of ``other``."""
    size = 28 * 28
    theirs = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
    path = other / "train-images-idx3-ubyte.gz"
    own = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(own[:16] + theirs[16 : 16 + count * size] + own[16 + count * size :], 1))


@pytest.fixture
def folders(tmp_path: Path, write_idx: WriteIdx) -> Path:
    write_idx(tmp_path / "mnist", train=900, test=100, seed=0)
    write_idx(tmp_path / "fashion_mnist", train=900, test=100, seed=1)
    return tmp_path


def test_disjoint_classes_of_one_data_set_stay_as_they_are(tmp_path: Path) -> None:
    source = digits(tmp_path, 0, 1, 2)
    assert keep_apart(source, digits(tmp_path, 3, 4)) == (source, 0)


@pytest.mark.parametrize("count", [1, 3, 10])
def test_a_few_shared_images_are_left_out_of_the_source(folders: Path, count: int) -> None:
    before = grey("fashion_mnist", folders)
    # Elsewhere, since files that were read once are kept in memory.
    other = shutil.copytree(folders, folders / "other")
    copy_images(other / "mnist", other / "fashion_mnist", count)
    source, target = grey("fashion_mnist", other), grey("mnist", other)
    apart, dropped = keep_apart(source, target)
    assert dropped == count
    assert not apart.content_hashes & target.content_hashes
    for name, split in splits(apart).items():
        whole = splits(source)[name]
        kept = [at for at, digest in enumerate(whole.digests) if digest not in target.content_hashes]
        assert split.digests == tuple(whole.digests[at] for at in kept)
        assert torch.equal(split.images.tensor(), whole.images[kept])
        for field in ("labels", "index"):
            assert torch.equal(getattr(split, field), getattr(whole, field)[kept])
    # Whoever trains on less has another teacher.
    assert len({before.fingerprint, source.fingerprint, apart.fingerprint}) == 3
    assert keep_apart(source, target)[0].fingerprint == apart.fingerprint


def test_more_than_a_few_are_refused_by_number_and_place(folders: Path) -> None:
    copy_images(folders / "mnist", folders / "fashion_mnist", 11)
    with pytest.raises(
        DataOverlap, match=r"11 images of the target mnist .* \(test image 0, test image 1,"
    ) as caught:
        keep_apart(grey("fashion_mnist", folders), grey("mnist", folders))
    assert caught.value.values["shared"] == 11


def test_equal_pixels_are_equal_whatever_size_the_network_sees(folders: Path, write_idx: WriteIdx) -> None:
    write_idx(folders / "other" / "mnist", train=900, test=100, seed=1)
    source = load(
        DataSpec(name="fashion_mnist"), MODEL.model_copy(update={"image_size": 32}), data_root=folders, seed=0
    )
    with pytest.raises(DataOverlap, match="1000 images of the target mnist"):
        keep_apart(source, grey("mnist", folders / "other"))


def test_a_class_that_would_have_nothing_to_train_on_is_refused(tmp_path: Path, write_idx: WriteIdx) -> None:
    """One image of 600, but class 9 has no other."""
    for name, seed in (("mnist", 0), ("fashion_mnist", 1)):
        write_idx(tmp_path / name, train=600, test=100, seed=seed)
    folder = tmp_path / "fashion_mnist"
    labels = np.zeros(600, dtype=np.uint8)
    labels[:10] = np.arange(10)
    labels[10:] = np.arange(590) % 9
    header = bytes((0, 0, 8, 1)) + (600).to_bytes(4, "big")
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(header + labels.tobytes(), 1))
    source, target = grey("fashion_mnist", tmp_path), grey("mnist", tmp_path)
    assert keep_apart(source, target)[1] == 0
    last = source.train.labels.tolist().index(9)
    digest = source.train.digests[last]
    shared = Split(
        target.test.images, target.test.labels, target.test.index, (digest, *target.test.digests[1:])
    )
    with pytest.raises(DataOverlap, match="1 images"):
        keep_apart(source, replace(target, test=shared))


def test_what_is_said_counts_images(folders: Path) -> None:
    source, target = grey("fashion_mnist", folders), grey("mnist", folders)
    assert notice(left_out(source, target, 1)).startswith(
        "1 image of the source fashion_mnist is also in the target mnist,"
    )
    assert "3 images" in notice(left_out(source, target, 3))
