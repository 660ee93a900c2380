"""Loading: what is used is exactly what was asked for, and kept apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits

from cartl_core.catalog import DATASETS
from cartl_core.compat.torchvision_import import import_torchvision
from cartl_core.data import Loaded, load
from cartl_core.data.loading import read
from cartl_core.data.network_input import network_input
from cartl_core.errors import DatasetInvalid, SpecError
from cartl_core.spec import DataSpec, ModelSpec

WriteIdx = Callable[..., None]
GREY = ModelSpec(name="tiny", image_size=8, channels=1)


def digits(root: Path, *, seed: int = 0, model: ModelSpec = GREY, **parts: object) -> Loaded:
    return load(DataSpec(name="digits", **parts), model, data_root=root, seed=seed)  # type: ignore[arg-type]


def mnist(root: Path, *, model: ModelSpec = GREY, **parts: object) -> Loaded:
    data = DataSpec(name="mnist", **parts)  # type: ignore[arg-type]
    return load(data, model, data_root=root, seed=0, download=False)


def test_digits_are_split_once_and_for_all_as_the_catalog_says(tmp_path: Path) -> None:
    facts = DATASETS["digits"]
    first, second = digits(tmp_path), digits(tmp_path, seed=7)
    assert len(first.train) + len(first.validation) == facts.train_images
    assert len(first.test) == facts.test_images
    assert torch.equal(first.test.images.tensor(), second.test.images.tensor())
    shares = torch.bincount(first.test.labels) / torch.bincount(
        torch.cat([first.train.labels, first.test.labels])
    )
    assert shares.max() < 1.2 * shares.min()


def test_digits_are_scikit_learns_divided_by_sixteen(tmp_path: Path) -> None:
    loaded = digits(tmp_path)
    splits = (loaded.train, loaded.validation, loaded.test)
    ours = {
        (image.numpy().tobytes(), int(label))
        for split in splits
        for image, label in zip(split.images, split.labels, strict=True)
    }
    bunch = load_digits()
    theirs = {
        (torch.tensor(image).float().div(16).numpy().tobytes(), int(label))
        for image, label in zip(bunch.images, bunch.target, strict=True)
    }
    assert ours == theirs


def test_the_splits_share_no_image(tmp_path: Path) -> None:
    loaded = digits(tmp_path, train_limit=500, validation_fraction=0.2)
    assert (len(loaded.train), len(loaded.validation)) == (400, 100)
    assert not set(loaded.train.index.tolist()) & set(loaded.validation.index.tolist())
    groups = [set(split.digests) for split in (loaded.train, loaded.validation, loaded.test)]
    assert sum(map(len, groups)) == len(loaded.content_hashes) == 500 + 360


def test_positions_are_those_of_the_files(tmp_path: Path) -> None:
    loaded = digits(tmp_path, classes=(3, 8), train_limit=100)
    archive = read("digits", tmp_path)
    for split, origin in (
        (loaded.train, archive.train),
        (loaded.validation, archive.train),
        (loaded.test, archive.test),
    ):
        index = split.index.numpy()
        assert (index[1:] > index[:-1]).all(), "in the files' order"
        assert torch.equal(split.images.tensor(), network_input(origin.images[index], 16, GREY))
        assert torch.equal(split.labels == 1, torch.from_numpy(origin.labels[index] == 8))
        assert split.digests == tuple(origin.digests[position] for position in index)


def test_classes_are_relabelled_by_their_place_in_the_list(tmp_path: Path) -> None:
    forward, backward = digits(tmp_path, classes=(2, 7)), digits(tmp_path, classes=(7, 2))
    assert forward.class_names == ("2", "7")
    assert backward.class_names == ("7", "2")
    assert torch.equal(forward.test.images.tensor(), backward.test.images.tensor())
    assert torch.equal(forward.test.labels, 1 - backward.test.labels)
    assert forward.fingerprint != backward.fingerprint


def test_what_is_kept_is_a_function_of_the_seed(tmp_path: Path) -> None:
    first, same, other = (digits(tmp_path, train_limit=200, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.train.images.tensor(), same.train.images.tensor())
    assert first.fingerprint == same.fingerprint
    kept, others = ({*data.train.index.tolist(), *data.validation.index.tolist()} for data in (first, other))
    assert len(kept) == len(others) == 200
    assert kept != others, "the limit"
    whole, again = digits(tmp_path, seed=0), digits(tmp_path, seed=1)
    assert set(whole.validation.index.tolist()) != set(again.validation.index.tolist()), "the validation part"
    assert first.fingerprint != other.fingerprint


def test_a_limit_above_what_is_there_keeps_all(tmp_path: Path) -> None:
    whole, limited = digits(tmp_path), digits(tmp_path, train_limit=1_000_000)
    assert torch.equal(whole.train.images.tensor(), limited.train.images.tensor())


def test_the_fingerprint_follows_content_and_shape(tmp_path: Path, write_idx: WriteIdx) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_idx(tmp_path / name / "mnist", seed=seed)
    a, b, c = (mnist(tmp_path / name).fingerprint for name in "abc")
    larger = mnist(tmp_path / "a", model=GREY.model_copy(update={"image_size": 16})).fingerprint
    assert a == b
    assert len({a, c, larger}) == 3


def test_grey_is_repeated_over_the_channels_and_resized(tmp_path: Path, write_idx: WriteIdx) -> None:
    import_torchvision()
    from torchvision.transforms import v2

    write_idx(tmp_path / "mnist")
    grey = mnist(tmp_path, model=ModelSpec(name="tiny", image_size=28, channels=1))
    colour = mnist(tmp_path, model=ModelSpec(name="tiny", image_size=28, channels=3))
    assert torch.equal(grey.test.images.tensor().expand(-1, 3, -1, -1), colour.test.images.tensor())
    assert colour.mean == grey.mean * 3 == DATASETS["mnist"].mean * 3
    assert colour.std == DATASETS["mnist"].std * 3
    for size in (13, 32):
        resized = mnist(
            tmp_path, model=ModelSpec(name="tiny", image_size=size, channels=3)
        ).test.images.tensor()
        assert resized.shape == (20, 3, size, size)
        expected = v2.functional.resize(grey.test.images.tensor(), [size, size], antialias=True)
        assert torch.allclose(resized[:, :1], expected, atol=1e-6)
        assert resized.min() >= 0
        assert resized.max() <= 1


def test_colour_does_not_go_into_a_network_of_one_channel(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"model\.channels"):
        load(DataSpec(name="cifar10"), GREY, data_root=tmp_path, seed=0)


def test_too_few_images_name_the_field(tmp_path: Path) -> None:
    data = DataSpec(name="digits", train_limit=10, validation_fraction=0.5)
    with pytest.raises(SpecError) as caught:
        load(data, GREY, data_root=tmp_path, seed=0, field="source")
    assert caught.value.field == "source.train_limit"
    data = DataSpec(name="digits", train_limit=20, validation_fraction=0.01)
    with pytest.raises(SpecError) as caught:
        load(data, GREY, data_root=tmp_path, seed=0)
    assert caught.value.field == "dataset.validation_fraction"


def test_a_class_without_images_is_a_fault_of_the_files(tmp_path: Path, write_idx: WriteIdx) -> None:
    write_idx(tmp_path / "mnist", test=7)
    with pytest.raises(DatasetInvalid, match="no test image of class '7'"):
        mnist(tmp_path)
