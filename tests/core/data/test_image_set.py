"""Image sets: what an index gives is what the eager arithmetic gives of the same images, bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cartl_core.data import ImageSet
from cartl_core.data.network_input import NetworkInput
from cartl_core.spec import ModelSpec

COUNT = 23


def eager(pixels: NDArray[Any], highest: int, size: int, channels: int) -> Tensor:
    """The whole data set as floats at once, as it was held before it became lazy."""
    images = torch.empty(len(pixels), pixels.shape[3], size, size)
    for start in range(0, len(pixels), 1024):
        part = torch.from_numpy(pixels[start : start + 1024]).permute(0, 3, 1, 2).float() / highest
        if part.shape[2:] != (size, size):
            part = functional.interpolate(part, (size, size), mode="bilinear", antialias=True).clamp(0, 1)
        images[start : start + 1024] = part
    return images.repeat(1, channels // images.shape[1], 1, 1)


def pixels_of(kind: str, source: tuple[int, int, int], count: int = COUNT) -> NDArray[Any]:
    draw = np.random.default_rng(sum(source))
    if kind == "float32":
        return draw.random((count, *source), dtype=np.float32)
    return draw.integers(0, 256, (count, *source), dtype=np.uint8)


def lazy(pixels: NDArray[Any], highest: int, size: int, channels: int) -> ImageSet:
    model = ModelSpec(name="tiny", image_size=size, channels=channels)  # type: ignore[arg-type]
    return ImageSet(NetworkInput(pixels, highest, model), torch.arange(len(pixels)))


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize(
    ("source", "size", "channels"),
    [
        ((8, 8, 1), 8, 1),
        ((8, 8, 1), 8, 3),
        ((28, 28, 1), 32, 3),
        ((28, 28, 1), 9, 1),
        ((32, 32, 3), 32, 3),
        ((32, 32, 3), 8, 3),
        ((32, 32, 3), 17, 3),
        ((40, 24, 3), 32, 3),
        ((33, 47, 1), 16, 3),
        ((64, 64, 3), 224, 3),
    ],
)
def test_whatever_is_asked_for_has_the_bits_of_the_eager_whole(
    kind: str, source: tuple[int, int, int], size: int, channels: int
) -> None:
    pixels = pixels_of(kind, source)
    highest = 255 if kind == "uint8" else 1
    whole, images = eager(pixels, highest, size, channels), lazy(pixels, highest, size, channels)
    assert images.shape == whole.shape
    assert torch.equal(images.tensor(), whole)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(1))
    mask = order % 3 == 0
    for key in (order[:5], order[:1], mask, slice(3, 11), slice(None, None, 4), slice(-2, None)):
        found = images[key]
        assert torch.equal(found, whole[key])
        assert (found.dtype, found.is_contiguous()) == (torch.float32, True)
    assert torch.equal(images.subset(order)[2:9], whole[order][2:9])
    assert torch.equal(torch.stack(list(images)), whole)


def test_a_large_set_is_the_same_in_pieces_of_any_size() -> None:
    """Beyond the batch that resizing works on, which was another one before."""
    pixels = pixels_of("uint8", (12, 12, 3), 1500)
    whole, images = eager(pixels, 255, 8, 3), lazy(pixels, 255, 8, 3)
    for piece in (128, 256, 700, 1500):
        assert torch.equal(
            torch.cat([images[first : first + piece] for first in range(0, 1500, piece)]), whole
        )


def test_floats_in_memory_are_given_as_they_are() -> None:
    given_images = torch.rand(5, 3, 8, 8)
    images = ImageSet.of(given_images)
    assert torch.equal(images.tensor(), given_images)
    images[:2].zero_()
    assert torch.equal(images.tensor(), given_images), "what is given out is a copy"


positions = some.integers(-COUNT, COUNT - 1)
keys = some.one_of(
    positions,
    some.slices(COUNT),
    some.lists(positions, max_size=9),
    some.lists(positions, max_size=9).map(lambda found: torch.tensor(found, dtype=torch.int64)),
    some.lists(positions, min_size=1, max_size=9).map(lambda found: np.array(found)),
    some.lists(some.booleans(), min_size=COUNT, max_size=COUNT).map(torch.tensor),
    some.lists(some.booleans(), min_size=COUNT, max_size=COUNT),
    some.lists(positions, min_size=6, max_size=6).map(lambda found: torch.tensor(found).view(2, 3)),
)
WHOLE = torch.arange(COUNT * 4, dtype=torch.float32).view(COUNT, 1, 2, 2)


@settings(deadline=None)
@given(key=keys)
def test_every_index_means_what_it_means_for_a_tensor(key: Any) -> None:
    if isinstance(key, slice) and (key.step or 1) < 0:
        with pytest.raises(ValueError, match="step"):
            ImageSet.of(WHOLE)[key]
        return
    usual = torch.tensor(key, dtype=torch.int64) if isinstance(key, list) and not key else key
    assert torch.equal(ImageSet.of(WHOLE)[key], WHOLE[usual])


@settings(deadline=None)
@given(first=some.lists(positions, max_size=12), second=some.data())
def test_a_subset_of_a_subset_is_indexed_twice(first: list[int], second: some.DataObject) -> None:
    chosen = torch.tensor(first, dtype=torch.int64)
    once = ImageSet.of(WHOLE).subset(chosen)
    assert (len(once), once.shape) == (len(first), WHOLE[chosen].shape)
    mask = torch.tensor(
        second.draw(some.lists(some.booleans(), min_size=len(first), max_size=len(first))), dtype=torch.bool
    )
    assert torch.equal(once.subset(mask).tensor(), WHOLE[chosen][mask])


@pytest.mark.parametrize("key", [COUNT, -COUNT - 1, torch.tensor([0, COUNT]), torch.ones(COUNT + 1).bool()])
def test_what_is_not_there_is_an_index_error(key: Any) -> None:
    with pytest.raises(IndexError):
        ImageSet.of(WHOLE)[key]


@pytest.mark.parametrize(
    "key", [1.0, "a", None, ..., (0, 1), (slice(None), 0), torch.tensor([0.0]), [0.5], np.array([0.5])]
)
def test_what_is_no_index_of_images_is_refused_with_the_way_out(key: Any) -> None:
    with pytest.raises(TypeError, match=r"tensor\(\) gives them all"):
        ImageSet.of(WHOLE)[key]


def test_nothing_is_made_before_it_is_asked_for() -> None:
    asked: list[list[int]] = []

    class Rows:
        shape = (1, 2, 2)

        def __call__(self, positions: Tensor) -> Tensor:
            asked.append(positions.tolist())
            return WHOLE[positions]

        def stored(self, positions: Tensor) -> None:
            pass

    images = ImageSet(Rows(), torch.arange(COUNT)).subset(torch.tensor([7, 3, 3, 9]))
    assert (len(images), images.shape[0]) == (4, 4)
    assert asked == []
    assert torch.equal(images[1:3], WHOLE[[3, 3]])
    assert asked == [[3, 3]]


@pytest.mark.parametrize("highest", [255, 16])
@pytest.mark.parametrize(("source", "channels"), [((8, 8, 1), 1), ((8, 8, 1), 3), ((9, 9, 3), 3)])
def test_bytes_become_the_very_floats(source: tuple[int, int, int], channels: int, highest: int) -> None:
    images = lazy(pixels_of("uint8", source), highest, source[0], channels)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(1))[:7]
    stored = images.subset(order).stored(torch.arange(2, 7))
    assert stored is not None
    assert (stored.pixels.dtype, stored.pixels.shape[1]) == (torch.uint8, source[2])
    floats, wanted = stored.floats(), images[order[2:7]]
    assert stored.shape == floats.shape == wanted.shape
    assert torch.equal(floats, wanted)


def test_every_byte_is_the_quotient_that_the_host_takes() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    for highest in range(1, 256):
        stored = lazy(pixels, highest, 16, 1).stored(torch.zeros(1, dtype=torch.int64))
        assert stored is not None
        assert torch.equal(stored.floats(), torch.from_numpy(pixels).view(1, 1, 16, 16).float() / highest)


def test_images_that_are_computed_have_no_bytes() -> None:
    """Floats of a person's own, and images whose size is not the network's."""
    every = torch.arange(COUNT)
    assert ImageSet.of(WHOLE).stored(torch.arange(3)) is None
    assert lazy(pixels_of("float32", (8, 8, 1)), 1, 8, 1).stored(every) is None
    assert lazy(pixels_of("uint8", (8, 8, 1)), 255, 9, 1).stored(every) is None
