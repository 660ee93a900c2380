"""Common corruptions: closed forms, other implementations, and what must hold of each of them."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from scipy import ndimage
from torch import Tensor

from cartl_core.evaluation.corruptions import CORRUPTIONS, corrupt
from cartl_core.nn.rng import generator
from cartl_core.spec.measures.corruptions import CORRUPTION_FACTS, CorruptionName, CorruptionsSpec

NAMES = tuple(CORRUPTIONS)
RANDOM = tuple(name for name in NAMES if CORRUPTION_FACTS[name].random)


def images(channels: int = 3, side: int = 32, count: int = 6) -> Tensor:
    """Smooth shapes with some texture, away from 0 and 1 for the most part."""
    draw = generator(0, "images", channels, side)
    coarse = torch.rand(count, channels, 5, 5, generator=draw)
    smooth = torch.nn.functional.interpolate(coarse, side, mode="bicubic", align_corners=True)
    return (smooth + 0.1 * torch.randn(smooth.shape, generator=draw)).clamp(0, 1)


def apply(x: Tensor, name: CorruptionName, severity: int = 3, seed: int = 0, first: int = 0) -> Tensor:
    return corrupt(x, name, severity, seed=seed, indices=list(range(first, first + len(x))))


def test_every_row_of_facts_has_its_function() -> None:
    assert set(CORRUPTIONS) == set(CORRUPTION_FACTS)
    assert {facts.family for facts in CORRUPTION_FACTS.values()} == {"noise", "blur", "weather", "digital"}


@pytest.mark.parametrize("side", [8, 28, 32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_images_come_out_as_images(name: CorruptionName, channels: int, side: int) -> None:
    x = images(channels, side)
    kept = x.clone()
    for severity in (1, 2, 3, 4, 5):
        y = apply(x, name, severity)
        assert y.shape == x.shape
        assert y.dtype == torch.float32
        assert y.min() >= 0
        assert y.max() <= 1
        assert not torch.equal(y, x)
    assert torch.equal(x, kept)


@pytest.mark.parametrize("name", NAMES)
def test_black_and_white_images_stay_images(name: CorruptionName) -> None:
    for value in (0.0, 1.0):
        y = apply(torch.full((2, 3, 32, 32), value), name, 5)
        assert y.isfinite().all()
        assert y.min() >= 0
        assert y.max() <= 1


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32)])
@pytest.mark.parametrize("name", NAMES)
def test_the_more_severe_the_farther(name: CorruptionName, channels: int, side: int) -> None:
    x = images(channels, side, count=16)
    moved = [(apply(x, name, severity) - x).flatten(1).norm(dim=1).mean() for severity in (1, 2, 3, 4, 5)]
    assert all(second > first for first, second in pairwise(moved)), moved


@pytest.mark.parametrize("name", NAMES)
def test_neither_batch_nor_order_changes_an_image(name: CorruptionName) -> None:
    x = images()
    whole = apply(x, name)
    for row in range(len(x)):
        assert torch.equal(apply(x[row : row + 1], name, first=row)[0], whole[row])
    strided = x.to(memory_format=torch.channels_last)
    assert torch.equal(apply(strided, name), whole)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_random_comes_from_seed_severity_and_position(name: CorruptionName) -> None:
    x = images(count=1)
    base = apply(x, name)
    assert torch.equal(base, apply(x, name))
    others = [apply(x, name, seed=1), apply(x, name, first=1)]
    assert all(torch.equal(other, base) != (name in RANDOM) for other in others)


def test_noise_at_two_severities_is_not_the_same_noise() -> None:
    x = torch.full((1, 3, 32, 32), 0.5)
    first, second = ((apply(x, "gaussian_noise", severity) - x).flatten() for severity in (1, 3))
    assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1]) < 0.1


def test_gaussian_noise_has_its_deviation() -> None:
    x = torch.full((40, 1, 32, 32), 0.5)
    for severity, deviation in ((1, 0.04), (3, 0.08), (5, 0.10)):
        noise = apply(x, "gaussian_noise", severity) - x
        assert noise.std().item() == pytest.approx(deviation, rel=0.02)
        assert abs(noise.mean()) < 0.002


def test_impulse_noise_sets_its_share_to_black_and_white() -> None:
    x = torch.full((40, 3, 32, 32), 0.5)
    for severity, share in ((1, 0.01), (3, 0.03), (5, 0.07)):
        y = apply(x, "impulse_noise", severity)
        assert set(y.unique().tolist()) == {0.0, 0.5, 1.0}
        assert (y == 0).float().mean().item() == pytest.approx(share / 2, rel=0.1)
        assert (y == 1).float().mean().item() == pytest.approx(share / 2, rel=0.1)


@pytest.mark.parametrize(("side", "factor"), [(28, 1), (32, 1), (64, 2)])
def test_blur_is_that_of_another_library(side: int, factor: int) -> None:
    x = images(3, side, count=2)
    for severity, deviation in ((1, 0.4), (5, 1.0)):
        sigma = factor * deviation
        other = ndimage.gaussian_filter(
            x.double().numpy(), sigma=(0, 0, sigma, sigma), mode="nearest", truncate=4.0
        )
        assert torch.allclose(
            apply(x, "gaussian_blur", severity).double(), torch.from_numpy(other), atol=1e-6
        )


@pytest.mark.parametrize(("severity", "added"), [(1, 0.05), (3, 0.15), (5, 0.3)])
def test_grey_images_are_brighter_by_the_constant(severity: int, added: float) -> None:
    x = images(1)
    black = (x == 0).float()
    expected = (x + added).clamp(max=1)
    assert torch.allclose(apply(x, "brightness", severity), expected, atol=1e-6)
    assert black.sum() > 0, "black pixels are among them"


def test_colours_keep_hue_and_saturation() -> None:
    import colorsys

    x = images(3, 8, count=1)
    y = apply(x, "brightness", 3)
    for before, after in zip(x[0].flatten(1).T.tolist(), y[0].flatten(1).T.tolist(), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        assert after == pytest.approx(colorsys.hsv_to_rgb(hue, saturation, min(1, value + 0.15)), abs=1e-5)


@pytest.mark.parametrize(("severity", "kept"), [(1, 0.75), (3, 0.4), (5, 0.15)])
def test_contrast_keeps_each_channels_mean_and_part_of_its_deviation(severity: int, kept: float) -> None:
    x = images(3)
    y = apply(x, "contrast", severity)
    assert torch.allclose(y.mean((2, 3)), x.mean((2, 3)), atol=1e-5)
    assert torch.allclose(y.std((2, 3)), kept * x.std((2, 3)), atol=1e-5)


def test_contrast_and_brightness_have_a_worked_example() -> None:
    x = torch.tensor([[[[0.2, 0.6], [0.4, 0.8]]]])
    assert apply(x, "contrast", 5).flatten().tolist() == pytest.approx([0.455, 0.515, 0.485, 0.545])
    assert apply(x, "brightness", 5).flatten().tolist() == pytest.approx([0.5, 0.9, 0.7, 1.0])


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_what_a_file_of_that_quality_shows(channels: int) -> None:
    x = images(channels, count=3)
    for severity, quality in ((1, 80), (5, 40)):
        y = apply(x, "jpeg", severity)
        for before, after in zip(x, y, strict=True):
            pixels = (before * 255).round().byte().permute(1, 2, 0).numpy().squeeze()
            file = BytesIO()
            Image.fromarray(pixels).save(file, "JPEG", quality=quality)
            read = np.asarray(Image.open(BytesIO(file.getvalue())))
            assert np.array_equal((after * 255).round().byte().permute(1, 2, 0).numpy().squeeze(), read)
        # A photograph survives: far closer to itself than to another.
        assert (y - x).abs().mean() < 0.5 * (y - x.roll(1, 0)).abs().mean()


def test_a_flat_picture_survives_jpeg_and_pixelation() -> None:
    x = torch.full((1, 3, 32, 32), 128 / 255)
    for name in ("jpeg", "pixelate"):
        assert torch.allclose(apply(x, name, 5), x, atol=1.5 / 255)


def test_pixelation_leaves_fewer_rows() -> None:
    y = apply(images(1, count=1), "pixelate", 5)[0, 0]
    assert len(torch.unique(y, dim=0)) == int(32 * 0.65)
    assert len(torch.unique(y, dim=1).T) == int(32 * 0.65)


def test_fog_brightens_and_flattens() -> None:
    x = images(3, count=16)
    y = apply(x, "fog", 5)
    assert (y.std((1, 2, 3)) < x.std((1, 2, 3))).float().mean() > 0.8
    assert (y.amax((1, 2, 3)) <= x.amax((1, 2, 3)) + 1e-6).all()
    # All channels get the same clouds.
    black = apply(torch.zeros(1, 3, 32, 32).index_fill(2, torch.tensor([0]), 1.0), "fog", 3)
    assert torch.equal(black[:, 0], black[:, 2])


@pytest.mark.parametrize(
    ("name", "severity", "words"), [("rain", 3, "jpeg"), ("fog", 0, "1 to 5"), ("fog", 6, "1 to 5")]
)
def test_what_is_unknown_is_refused(name: CorruptionName, severity: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        apply(images(count=1), name, severity)


def test_the_spec_asks_for_all_of_them_at_three_severities() -> None:
    assert len(CorruptionsSpec().columns) == 24
    assert CorruptionsSpec(names=("fog",), severities=(5,)).columns == (("fog", 5),)


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        ({"names": ["rain"]}, "names", "gaussian_noise"),
        ({"names": []}, "names", "at least 1"),
        ({"names": ["fog", "fog"]}, "names", "twice"),
        ({"severities": [0]}, "severities", "greater than or equal to 1"),
        ({"severities": [6]}, "severities", "less than or equal to 5"),
        ({"severities": [3, 3]}, "severities", "twice"),
        ({"severities": [True]}, "severities", "integer"),
    ],
)
def test_faults_name_the_field_and_what_is_allowed(asked: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        CorruptionsSpec.model_validate(asked)
    assert caught.value.errors()[0]["loc"][0] == field
