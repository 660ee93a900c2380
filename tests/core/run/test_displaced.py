"""Displaced features: as far as the ball allows where that is known, and the same however it is computed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cartl_core.data import Split
from cartl_core.displaced import displace, displaced
from cartl_core.errors import Interrupted
from cartl_core.losses import feature_distance
from cartl_core.models import build_network
from cartl_core.random import generator
from cartl_core.spec import DisplacementSpec

SPEC = DisplacementSpec(eps=0.1, step=0.03, steps=10, copies=2)


def split_of(images: Tensor) -> Split:
    count = len(images)
    return Split(images, torch.zeros(count, dtype=torch.int64), torch.arange(count) + 7, (b"",) * count)


@pytest.fixture
def trunk(tiny: Any) -> nn.Module:
    network = build_network(tiny, 3, (0.3,), (0.4,), generator(1, "network"))
    network.train()
    network(torch.rand(64, 1, 8, 8, generator=generator(2, "statistics")))
    return network.split(2)[0].eval()


@pytest.fixture
def split() -> Split:
    return split_of(torch.rand(20, 1, 8, 8, generator=generator(3, "images")))


def test_a_linear_trunk_is_moved_by_the_dual_norm(bench: Any) -> None:
    """One feature w x of images far from black and white: no perturbation moves it by more than eps |w|_1."""
    linear = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    images = 0.3 + 0.4 * torch.rand(9, 1, 4, 4, generator=generator(4, "images"))
    moved = displace(linear, split_of(images), SPEC, copy=0, seed=0, place=bench("a").place())
    reached = (linear(moved) - linear(images)).abs().squeeze(1)
    most = SPEC.eps * linear[1].weight.abs().sum()
    torch.testing.assert_close(reached, most.expand(9), rtol=1e-4, atol=1e-5)


def test_images_stay_within_the_ball_and_features_go_farther_than_by_chance(
    trunk: nn.Module, split: Split, bench: Any
) -> None:
    place = bench("a").place()
    moved = displace(trunk, split, SPEC, copy=0, seed=0, place=place)
    assert float((moved - split.images).abs().max()) <= SPEC.eps + 1e-6
    assert float(moved.min()) >= 0 and float(moved.max()) <= 1
    signs = torch.rand(split.images.shape, generator=generator(5, "corners")).round() * 2 - 1
    corners = (split.images + SPEC.eps * signs).clamp(0, 1)
    clean = trunk(split.images)
    assert (feature_distance(trunk(moved), clean) > 1.25 * feature_distance(trunk(corners), clean)).all()


def test_neither_batches_nor_the_moment_count_and_nothing_is_left(
    trunk: nn.Module, split: Split, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = bench("a").place()
    trunk[1].train()
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    whole = displace(trunk, split, SPEC, copy=1, seed=0, place=place)
    assert trunk[1].training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in trunk.parameters())
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())
    assert torch.equal(whole, displace(trunk, split, SPEC, copy=1, seed=0, place=place))
    monkeypatch.setattr("cartl_core.displaced.BATCH", 7)
    torch.testing.assert_close(whole, displace(trunk, split, SPEC, copy=1, seed=0, place=place))


def test_each_copy_has_its_own_start(trunk: nn.Module, split: Split, bench: Any) -> None:
    found = displaced(trunk, split, SPEC, seed=0, place=bench("a").place())
    assert found.cached
    assert found.inputs.shape[:2] == (20, 3)
    torch.testing.assert_close(found.inputs[:, 0], trunk(split.images))
    one, other = (
        displace(trunk, split, SPEC, copy=copy, seed=0, place=bench("a").place()) for copy in (0, 1)
    )
    torch.testing.assert_close(found.inputs[:, 1], trunk(one))
    torch.testing.assert_close(found.inputs[:, 2], trunk(other))
    assert not torch.equal(one, other)


def test_what_does_not_fit_is_kept_as_images(
    trunk: nn.Module, split: Split, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = bench("a").place()
    monkeypatch.setattr("cartl_core.displaced.cached_features", lambda *_: None)
    found = displaced(trunk, split, SPEC, seed=0, place=place)
    assert not found.cached
    assert torch.equal(found.inputs[:, 0], split.images)
    assert torch.equal(found.inputs[:, 1], displace(trunk, split, SPEC, copy=0, seed=0, place=place))


def test_a_run_that_is_asked_to_stop_stops_here_too(trunk: nn.Module, split: Split, bench: Any) -> None:
    place = bench("a").place()
    place.stop.request("interrupted")
    with pytest.raises(Interrupted):
        displace(trunk, split, SPEC, copy=0, seed=0, place=place)
