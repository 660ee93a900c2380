"""Displaced features: as far as the ball allows where that is known, and the same however it is computed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cartl_core.data import ImageSet, Split
from cartl_core.errors import Interrupted
from cartl_core.execution.scratch import Scratch
from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.build import build_network
from cartl_core.nn.losses import cross_entropy, feature_distance
from cartl_core.nn.rng import generator
from cartl_core.spec import DisplacementSpec
from cartl_core.training import feature_perturbation as module
from cartl_core.training.feature_perturbation import farthest_images, perturbed_features, perturbed_inputs
from cartl_core.training.trunk_features import BATCH, cached_features

SPEC = DisplacementSpec(eps=0.1, step=0.03, steps=10, copies=2)


def split_of(images: Tensor) -> Split:
    count = len(images)
    return Split(
        ImageSet.of(images), torch.zeros(count, dtype=torch.int64), torch.arange(count) + 7, (b"",) * count
    )


@pytest.fixture
def trunk(tiny: Any) -> nn.Module:
    network = build_network(tiny, 3, (0.3,), (0.4,), generator(1, "network"))
    network.train()
    network(torch.rand(64, 1, 8, 8, generator=generator(2, "statistics")))
    return network.split(2)[0].eval()


@pytest.fixture
def split() -> Split:
    return split_of(torch.rand(20, 1, 8, 8, generator=generator(3, "images")))


def test_a_linear_trunk_is_moved_by_the_dual_norm(workspace: Any) -> None:
    """One feature w x of images far from black and white: no perturbation moves it by more than eps |w|_1."""
    layer = nn.Linear(16, 1)
    linear = nn.Sequential(nn.Flatten(), layer)
    images = 0.3 + 0.4 * torch.rand(9, 1, 4, 4, generator=generator(4, "images"))
    moved = farthest_images(linear, split_of(images), SPEC, copy=0, seed=0, ctx=workspace("a").context())
    reached = (linear(moved) - linear(images)).abs().squeeze(1)
    most = SPEC.eps * layer.weight.abs().sum()
    torch.testing.assert_close(reached, most.expand(9), rtol=1e-4, atol=1e-5)


def test_images_stay_within_the_ball_and_features_go_farther_than_by_chance(
    trunk: nn.Module, split: Split, workspace: Any
) -> None:
    ctx = workspace("a").context()
    moved = farthest_images(trunk, split, SPEC, copy=0, seed=0, ctx=ctx)
    assert float((moved - split.images.tensor()).abs().max()) <= SPEC.eps + 1e-6
    assert float(moved.min()) >= 0 and float(moved.max()) <= 1
    signs = torch.rand(split.images.shape, generator=generator(5, "corners")).round() * 2 - 1
    corners = (split.images.tensor() + SPEC.eps * signs).clamp(0, 1)
    clean = trunk(split.images.tensor())
    assert (feature_distance(trunk(moved), clean) > 1.25 * feature_distance(trunk(corners), clean)).all()


def test_neither_batches_nor_the_moment_count_and_nothing_is_left(
    trunk: nn.Module, split: Split, workspace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = workspace("a").context()
    part = list(trunk.children())[1]
    part.train()
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    whole = farthest_images(trunk, split, SPEC, copy=1, seed=0, ctx=ctx)
    assert part.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in trunk.parameters())
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())
    assert torch.equal(whole, farthest_images(trunk, split, SPEC, copy=1, seed=0, ctx=ctx))
    monkeypatch.setattr("cartl_core.training.feature_perturbation.BATCH", 7)
    torch.testing.assert_close(whole, farthest_images(trunk, split, SPEC, copy=1, seed=0, ctx=ctx))


def test_each_copy_has_its_own_start(trunk: nn.Module, split: Split, workspace: Any) -> None:
    found = perturbed_inputs(trunk, split, SPEC, seed=0, ctx=workspace("a").context())
    assert found.cached and isinstance(found.inputs, Tensor)
    assert found.inputs.shape[:2] == (20, 3)
    torch.testing.assert_close(found.inputs[:, 0], trunk(split.images.tensor()))
    one, other = (
        farthest_images(trunk, split, SPEC, copy=copy, seed=0, ctx=workspace("a").context())
        for copy in (0, 1)
    )
    torch.testing.assert_close(found.inputs[:, 1], trunk(one))
    torch.testing.assert_close(found.inputs[:, 2], trunk(other))
    assert not torch.equal(one, other)


def test_what_does_not_fit_is_kept_as_images(trunk: nn.Module, split: Split, workspace: Any) -> None:
    ctx = replace(workspace("a").context(), scratch=Scratch(limit_bytes=0))
    found = perturbed_inputs(trunk, split, SPEC, seed=0, ctx=ctx)
    assert not found.cached
    kept = found.inputs[torch.arange(20)]
    assert torch.equal(kept[:, 0], split.images.tensor())
    assert torch.equal(kept[:, 1], farthest_images(trunk, split, SPEC, copy=0, seed=0, ctx=ctx))


def eager(trunk: nn.Module, split: Split, ctx: StageContext) -> tuple[Tensor, Tensor]:
    """Images and features with their copies, all of them in memory, as they were found before."""
    copies = [farthest_images(trunk, split, SPEC, copy=copy, seed=0, ctx=ctx) for copy in range(SPEC.copies)]
    images = torch.stack([split.images.tensor(), *copies], dim=1)
    with torch.no_grad():
        found = [trunk(ctx.put(part)) for part in images.flatten(0, 1).split(BATCH)]
    return images, torch.cat(found).unflatten(0, images.shape[:2])


@pytest.mark.parametrize("batch", [7, 20, 256])
@pytest.mark.parametrize("features_fit", [True, False])
def test_in_scratch_files_they_have_the_bits_of_those_in_memory(
    trunk: nn.Module,
    split: Split,
    workspace: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
    features_fit: bool,
) -> None:
    monkeypatch.setattr(module, "BATCH", batch)
    ctx = workspace("a").context()
    expected = eager(trunk, split, ctx)[features_fit]
    scratch = Scratch(tmp_path / "scratch", expected.numel() * 4 if features_fit else 0)
    found = perturbed_inputs(trunk, split, SPEC, seed=0, ctx=replace(ctx, scratch=scratch))
    assert found.cached == features_fit
    assert torch.equal(found.inputs[torch.arange(20)], expected)
    drawn = torch.tensor([3, 19, 3, 0])
    assert torch.equal(found.inputs[drawn], expected[drawn])
    assert list((tmp_path / "scratch").iterdir()) == []


def test_features_without_copies_are_kept_up_to_the_limit(
    trunk: nn.Module, split: Split, workspace: Any, tmp_path: Path
) -> None:
    ctx = workspace("a").context()
    expected = trunk(ctx.put(split.images.tensor())).detach()
    for spare, kept in ((0, True), (-1, False)):
        scratch = Scratch(tmp_path / "scratch", expected.numel() * 4 + spare)
        found = cached_features(trunk, split.images, replace(ctx, scratch=scratch))
        assert (found is not None) == kept
        if found is not None:
            assert torch.equal(found, expected)


def test_a_run_that_is_stopped_midway_leaves_no_file(
    trunk: nn.Module, split: Split, workspace: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the third of four batches is attacked there is an array."""
    monkeypatch.setattr(module, "BATCH", 5)
    ctx, calls = replace(workspace("a").context(), scratch=Scratch(tmp_path / "scratch", 2**20)), 0
    find = module._farthest

    def stopped(*arguments: Any, **options: Any) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 2 * SPEC.copies + 1:
            ctx.stop.request("interrupted")
        return find(*arguments, **options)

    monkeypatch.setattr(module, "_farthest", stopped)
    with pytest.raises(Interrupted):
        perturbed_inputs(trunk, split, SPEC, seed=0, ctx=ctx)
    assert calls == 2 * SPEC.copies + 1
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_run_that_is_asked_to_stop_stops_here_too(trunk: nn.Module, split: Split, workspace: Any) -> None:
    ctx = workspace("a").context()
    ctx.stop.request("interrupted")
    with pytest.raises(Interrupted):
        farthest_images(trunk, split, SPEC, copy=0, seed=0, ctx=ctx)


# --- where to features are moved -----------------------------------------------------------------


def features() -> tuple[Tensor, Tensor, Tensor]:
    draw = generator(6, "features")
    clean = torch.randn(12, 5, generator=draw)
    return clean, clean + 0.1 * torch.randn(12, 5, generator=draw), torch.arange(12) % 2


def test_the_trunks_direction_ends_where_the_attack_ended_or_a_share_of_the_way() -> None:
    clean, far, labels = features()
    assert perturbed_features(nn.Identity(), clean, far, labels, SPEC) is far
    half = perturbed_features(nn.Identity(), clean, far, labels, SPEC.model_copy(update={"reach": 0.5}))
    torch.testing.assert_close(half, (clean + far) / 2)


@pytest.mark.parametrize("reach", [0.25, 1.0])
def test_no_point_of_the_box_is_worse_for_a_linear_tail_of_two_classes(reach: float) -> None:
    """Its margin is linear, so the worst corner is known: the margin falls by reach * |w_0 - w_1| |d|."""
    clean, far, labels = features()
    tail = nn.Linear(5, 2)
    spec = SPEC.model_copy(update={"direction": "tail", "reach": reach})
    moved = perturbed_features(tail, clean, far, labels, spec)
    torch.testing.assert_close((moved - clean).abs(), reach * (far - clean).abs())
    sides = 1.0 - 2.0 * labels
    margins = [sides * (tail(at)[:, 0] - tail(at)[:, 1]) for at in (clean, moved)]
    weight = (tail.weight[0] - tail.weight[1]).abs()
    torch.testing.assert_close(margins[0] - margins[1], reach * (far - clean).abs() @ weight)


def test_the_tails_direction_climbs_and_leaves_no_trace(tiny: Any) -> None:
    upper = build_network(tiny, 3, (0.3,), (0.4,), generator(1, "network")).split(2)[1].train()
    lower = build_network(tiny, 3, (0.3,), (0.4,), generator(1, "network")).split(2)[0].eval()
    with torch.no_grad():
        clean = lower(torch.rand(20, 1, 8, 8, generator=generator(3, "images")))
    far = clean + 0.2 * torch.randn(clean.shape, generator=generator(4, "moved"))
    labels = torch.arange(20) % 3
    before = {name: value.clone() for name, value in upper.state_dict().items()}
    spec = SPEC.model_copy(update={"direction": "tail", "reach": 0.5})
    moved = perturbed_features(upper, clean, far, labels, spec)
    assert upper.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in upper.parameters())
    assert all(torch.equal(value, before[name]) for name, value in upper.state_dict().items())
    assert not moved.requires_grad
    upper.eval()
    at_random = clean + 0.5 * (far - clean)
    climbed, drifted, stayed = (cross_entropy(upper(at), labels).sum() for at in (moved, at_random, clean))
    assert climbed > max(drifted, stayed)
