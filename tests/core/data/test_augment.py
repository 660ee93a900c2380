"""Augmentation against torchvision's single-image functions, and by its own laws."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from cartl_core.compat.torchvision_import import import_torchvision
from cartl_core.data.augment import CROP, FLIP, altered, augment, draws, rotated
from cartl_core.nn.rng import generator
from cartl_core.spec import Augmentation

KINDS: tuple[Augmentation, ...] = ("none", "crop_flip", "crop_flip_rotate")


def batch(count: int = 6, channels: int = 3, size: int = 32) -> Tensor:
    return torch.rand(count, channels, size, size, generator=generator(0, "batch"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("channels", "size"), [(1, 8), (1, 28), (3, 32)])
def test_shape_and_range_are_kept_and_the_generator_decides_alone(
    kind: Augmentation, channels: int, size: int
) -> None:
    images = batch(channels=channels, size=size)
    before, state = images.clone(), torch.get_rng_state()
    altered = augment(images, kind, generator(1, "augment"))
    assert altered.shape == images.shape
    assert altered.dtype == images.dtype
    assert altered.min() >= 0
    assert altered.max() <= 1
    assert torch.equal(altered, augment(images, kind, generator(1, "augment")))
    assert torch.equal(images, before), "the batch itself is left alone"
    assert torch.equal(torch.get_rng_state(), state)
    if kind == "none":
        assert torch.equal(altered, images)
    else:
        assert not torch.equal(altered, augment(images, kind, generator(2, "augment")))


def test_a_crop_is_a_window_of_the_padded_image() -> None:
    images = batch(count=40)
    padded = torch.nn.functional.pad(images, (4, 4, 4, 4))
    windows = padded.unfold(2, 32, 1).unfold(3, 32, 1)  # (N, C, 9, 9, 32, 32)
    places = set()
    for image, cropped in zip(
        windows,
        CROP.apply(images, CROP.draw(len(images), images.shape[2], generator(0, "crop"))),
        strict=True,
    ):
        same = (image == cropped[:, None, None]).all(dim=(0, 3, 4))
        assert same.sum() == 1
        places.add(tuple(same.nonzero()[0].tolist()))
    assert len(places) > 20
    assert {row for row, _ in places} | {column for _, column in places} == set(range(9))


def test_a_flip_mirrors_about_half_of_the_images() -> None:
    images = batch(count=200, size=8)
    flipped = FLIP.apply(images, FLIP.draw(len(images), images.shape[2], generator(0, "flip")))
    mirrored = [torch.equal(new, old.flip(2)) for new, old in zip(flipped, images, strict=True)]
    same = [torch.equal(new, old) for new, old in zip(flipped, images, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 70 < sum(mirrored) < 130


@pytest.mark.parametrize("degrees", [-15.0, -4.5, 0.0, 7.0, 13.0])
def test_a_rotation_is_torchvisions(degrees: float) -> None:
    import_torchvision()
    from torchvision.transforms.functional import rotate

    images = batch()
    turned = rotated(images, torch.full((6,), math.radians(degrees)))
    # The nearest pixel may fall to either side where a sampling point lies between two.
    agree = (turned == rotate(images, degrees)).float().mean().item()
    assert agree > 0.995
    assert torch.equal(rotated(images, torch.zeros(6)), images)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("channels", "size"), [(1, 8), (1, 28), (3, 32)])
def test_bytes_are_altered_as_their_floats_are(kind: Augmentation, channels: int, size: int) -> None:
    pixels = torch.randint(0, 256, (9, channels, size, size), generator=generator(0, "bytes")).byte()
    table = torch.arange(256).float() / 255
    moved = augment(pixels, kind, generator(1, "augment"))
    assert moved.dtype == torch.uint8
    assert torch.equal(table[moved.int()], augment(table[pixels.int()], kind, generator(1, "augment")))


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_drawn_for_some_images_alters_these_alike(kind: Augmentation) -> None:
    images = batch(count=12)
    whole = augment(images, kind, generator(1, "augment"))
    drawn = draws(kind, 12, 32, generator(1, "augment"))
    some = torch.tensor([7, 2, 2, 11])
    assert torch.equal(altered(images[some], kind, tuple(one[some] for one in drawn)), whole[some])
