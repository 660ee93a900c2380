"""Packs as data sets: their splits, and images of any size as squares, beside torchvision's functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cartl_core.compat.torchvision_import import import_torchvision
from cartl_core.data import Loaded, keep_apart, load
from cartl_core.data.network_input import network_input
from cartl_core.data.packed import FOUND, Pack, PackWriter, fingerprint_of
from cartl_core.data.packed_images import ResizedImages, archive_of_pack, resized
from cartl_core.data.splits import Sizing
from cartl_core.errors import DatasetInvalid, SpecError
from cartl_core.execution.scratch import Scratch
from cartl_core.spec import DataSpec, ModelSpec
from cartl_core.spec.resources.dataset import (
    DataFacts,
    DatasetDefaults,
    DatasetReport,
    FoundDataset,
    Sizes,
    SplitName,
)

CLASSES = ("cat", "dog", "owl")
Image = NDArray[np.uint8]


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> Image:
    """Smooth, with noise: what a photograph is to a resize."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows / (3 + c) + columns / (5 + c)) for c in range(channels)]
    image = 127 + 90 * np.stack(waves, axis=2) + draw.normal(0, 20, (height, width, channels))
    return image.clip(0, 255).astype(np.uint8)


def counts_of(labels: Sequence[int], splits: Sequence[SplitName]) -> dict[SplitName, tuple[int, ...]]:
    both = list(zip(labels, splits, strict=True))
    return {
        split: tuple(both.count((label, split)) for label in range(len(CLASSES)))
        for split in dict.fromkeys(splits)
    }


def pack_of(
    folder: Path, images: Sequence[Image], labels: Sequence[int], splits: Sequence[SplitName]
) -> Pack:
    channels = images[0].shape[2]
    with PackWriter(folder, channels) as writer:
        for image in images:
            writer.add(image)
        index = writer.finish(labels, splits)
    found = FoundDataset(
        fingerprint=fingerprint_of(CLASSES, index),
        channels=1 if channels == 1 else 3,
        classes=CLASSES,
        counts=counts_of(labels, splits),
        sizes=Sizes(min=(1, 1), median=(8, 8), max=(9, 9)),
        mean=(0.5,) * channels,
        std=(0.2,) * channels,
        defaults=DatasetDefaults(
            image_size=8, train_eps=0.1, eval_eps=0.1, eval_step=0.01, augmentation="none"
        ),
        report=DatasetReport(files=len(images), taken=len(images)),
    )
    (folder / FOUND).write_text(found.model_dump_json())
    return Pack.open(folder)


def uneven(
    folder: Path, *, validation: bool = True, channels: int = 3, square: int | None = None
) -> tuple[Pack, list[Image]]:
    """Sixty images, splits mixed with one another, each class in each split."""
    names: list[SplitName] = ["train", "train", "test", "val" if validation else "train"]
    draw = np.random.default_rng(1)
    sides = draw.integers(5, 40, (60, 2)) if square is None else np.full((60, 2), square)
    images = [picture(int(h), int(w), channels, seed) for seed, (h, w) in enumerate(sides)]
    return pack_of(
        folder, images, [number % 3 for number in range(60)], [names[number // 3 % 4] for number in range(60)]
    ), images


def own(pack: Pack, **settings: Any) -> DataSpec:
    return DataSpec(name="pets", facts=DataFacts.of(pack.found), **{"resize": "fit_crop", **settings})


def loaded(pack: Pack, model: ModelSpec, scratch: Scratch | None = None, **settings: Any) -> Loaded:
    return load(
        own(pack, **settings),
        model,
        data_root=Path("nowhere"),
        seed=0,
        own={"pets": archive_of_pack(pack)},
        scratch=scratch,
    )


def model(size: int, channels: int = 3) -> ModelSpec:
    return ModelSpec.model_validate({"name": "tiny", "image_size": size, "channels": channels})


# --- one image -----------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        (40, 40, 16),
        (40, 60, 20),
        (60, 40, 20),
        (32, 128, 16),
        (128, 32, 8),
        (16, 24, 32),
        (1, 5, 8),
        (5, 1, 8),
        (1, 1, 8),
        (1, 401, 16),
        (384, 512, 384),
    ],
)
def test_fit_crop_is_torchvisions_resize_and_centre_crop(
    height: int, width: int, size: int, channels: int
) -> None:
    """In these shapes the longer side scales to a whole number, and its crop begins at one."""
    import_torchvision()
    from torchvision.transforms import v2

    image = picture(height, width, channels)
    tensor = torch.from_numpy(image.copy()).permute(2, 0, 1).float()
    expected = v2.functional.center_crop(
        v2.functional.resize(tensor, [size], antialias=True), [size, size]
    ).clamp(0, 255)
    ours = torch.from_numpy(resized(image, size, "fit_crop").copy()).permute(2, 0, 1).float()
    assert ours.shape == (channels, size, size)
    assert float((ours - expected).abs().max()) <= 1.0, "both round, each in its own way"
    assert float((ours - expected).abs().mean()) <= 0.5


@pytest.mark.parametrize(("height", "width"), [(40, 60), (33, 17), (1, 9), (12, 12)])
def test_squash_is_torchs_antialiased_interpolation_of_the_whole(height: int, width: int) -> None:
    image = picture(height, width)
    expected = network_input(image[None], 255, model(16))[0] * 255
    ours = torch.from_numpy(resized(image, 16, "squash").copy()).permute(2, 0, 1).float()
    assert float((ours - expected).abs().max()) <= 1.0


def test_fit_crop_keeps_proportions_and_squash_does_not() -> None:
    """A round disc in the middle of a wide image stays as high as it is wide, or becomes half as wide."""
    rows, columns = np.mgrid[0:64, 0:128]
    disc = ((rows - 31.5) ** 2 + (columns - 63.5) ** 2 < 20**2).astype(np.uint8)[..., None] * 255
    extents = {}
    for how in ("fit_crop", "squash"):
        small = resized(disc, 32, how)[..., 0] > 127
        extents[how] = (int(small.any(1).sum()), int(small.any(0).sum()))
    assert extents["fit_crop"] == (20, 20)
    assert extents["squash"] == (20, 10)


def test_an_image_of_the_right_size_keeps_its_bytes() -> None:
    image = picture(16, 16)
    assert np.array_equal(resized(image, 16, "fit_crop"), image)


# --- splits --------------------------------------------------------------------------------------


def test_a_packs_own_validation_split_validates(tmp_path: Path) -> None:
    pack, images = uneven(tmp_path)
    data = loaded(pack, model(8))
    assert (len(data.train), len(data.validation), len(data.test)) == (30, 15, 15)
    for split, name in ((data.train, 0), (data.validation, 1), (data.test, 2)):
        places = (pack.index.split == name).nonzero()[0][split.index.numpy()]
        squares = np.stack([resized(images[place], 8, "fit_crop") for place in places])
        assert torch.equal(split.images.tensor(), network_input(squares, 255, model(8)))
        assert split.labels.tolist() == [int(place) % 3 for place in places]
        assert split.digests == tuple(bytes(pack.index.digest[place]) for place in places)
    assert data.class_names == CLASSES


def test_without_one_a_part_of_the_training_images_is_drawn(tmp_path: Path) -> None:
    pack, _ = uneven(tmp_path, validation=False)
    data = loaded(pack, model(8), validation_fraction=0.2)
    assert (len(data.train), len(data.validation), len(data.test)) == (36, 9, 15)
    assert not set(data.train.index.tolist()) & set(data.validation.index.tolist())


def test_classes_and_limits_are_of_a_pack_what_they_are_of_the_catalog(tmp_path: Path) -> None:
    pack, _ = uneven(tmp_path)
    data = loaded(pack, model(8), classes=(2, 0), train_limit=10)
    assert len(data.train) == 10
    assert data.class_names == ("owl", "cat")
    assert set(data.test.labels.tolist()) == {0, 1}
    assert torch.bincount(data.train.labels).tolist() == [5, 5]


def test_the_way_of_resizing_is_part_of_the_fingerprint_and_its_default_is_not(tmp_path: Path) -> None:
    pack, _ = uneven(tmp_path)
    cropped, squashed = (loaded(pack, model(8), resize=how) for how in ("fit_crop", "squash"))
    assert cropped.fingerprint != squashed.fingerprint
    assert not torch.equal(cropped.test.images.tensor(), squashed.test.images.tensor())
    assert DataSpec(name="cifar10").resize == "squash"


def test_an_image_that_a_pack_and_another_data_set_share_is_found(tmp_path: Path) -> None:
    one, _ = uneven(tmp_path / "one")
    other, _ = uneven(tmp_path / "other")
    with pytest.raises(Exception, match="are also in the source"):
        keep_apart(loaded(one, model(8)), loaded(other, model(8)))


def test_grey_is_repeated_and_colour_needs_a_network_for_it(tmp_path: Path) -> None:
    grey, _ = uneven(tmp_path / "grey", channels=1)
    images = loaded(grey, model(8, 3)).test.images.tensor()
    assert torch.equal(images[:, 0], images[:, 2])
    colour, _ = uneven(tmp_path / "colour")
    with pytest.raises(SpecError, match="colour images"):
        loaded(colour, model(8, 1))


# --- where pixels are kept -----------------------------------------------------------------------


def test_each_image_is_resized_once_if_there_is_room_and_each_time_if_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack, _ = uneven(tmp_path / "pack")
    made: list[int] = []
    image = Pack.image

    def counted(self: Pack, position: int) -> Image:
        made.append(position)
        return image(self, position)

    monkeypatch.setattr(Pack, "image", counted)
    places = np.arange(60)
    kept = ResizedImages(pack, places, Sizing(8, "fit_crop", Scratch(tmp_path / "scratch", 60 * 8 * 8 * 3)))
    fresh = ResizedImages(pack, places, Sizing(8, "fit_crop", Scratch(tmp_path / "scratch", 100)))
    draw = np.random.default_rng(2)
    drawn = [draw.integers(0, 60, 25) for _ in range(8)]
    first = [kept[positions] for positions in drawn]
    assert len(made) == len(set(made)) == len(np.unique(np.concatenate(drawn)))
    made.clear()
    assert all(np.array_equal(fresh[positions], found) for positions, found in zip(drawn, first, strict=True))
    assert len(made) == 8 * 25
    assert list((tmp_path / "scratch").iterdir()) == [], "its file has no name"
    assert (
        kept[np.array([], dtype=np.int64)].shape == fresh[np.array([], dtype=np.int64)].shape == (0, 8, 8, 3)
    )


def test_a_pack_of_the_right_size_is_used_where_it_lies(tmp_path: Path) -> None:
    pack, images = uneven(tmp_path / "pack", square=16)
    train = archive_of_pack(pack).train
    pixels, positions = train.pixels(np.array([3, 0]), Sizing(16, "fit_crop", Scratch()))
    assert isinstance(pixels, np.ndarray)
    assert np.shares_memory(pixels, pack.pixels)
    assert np.array_equal(pixels[positions], np.stack([images[place] for place in train.positions[[3, 0]]]))


@pytest.mark.parametrize(
    ("field", "value"), [("offset", 10**9), ("offset", -1), ("height", 10**6), ("width", 0), ("label", 3)]
)
def test_an_index_that_is_not_of_its_pixels_is_refused(tmp_path: Path, field: str, value: int) -> None:
    pack, _ = uneven(tmp_path)
    changed = getattr(pack.index, field).copy()
    changed[7] = value
    with pytest.raises(DatasetInvalid, match="do not match"):
        archive_of_pack(replace(pack, index=replace(pack.index, **{field: changed})))


def test_a_pack_without_test_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetInvalid, match="'test'"):
        archive_of_pack(pack_of(tmp_path, [picture(8, 8)] * 3, [0, 1, 2], ["train"] * 3))
