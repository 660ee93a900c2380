"""Batches in pieces: near-equal ones on a CPU, and a frozen trunk makes the same of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cartl_core.data import ImageSet, Split
from cartl_core.execution import pieces as module
from cartl_core.execution.pieces import PIECE, pieces
from cartl_core.nn.build import build_network
from cartl_core.nn.rng import generator
from cartl_core.spec import DisplacementSpec, ModelSpec
from cartl_core.training.feature_perturbation import perturbed_inputs
from cartl_core.training.trunk_features import cached_features
from cartl_core.training.validation import clean_accuracy

CPU = torch.device("cpu")
SAME_BITS = torch.backends.cpu.get_cpu_capability() == "AVX2"
"""Where it was measured that passes of 16 images and more have the bits of larger ones (decision 0197)."""


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (0, [0]),
        (1, [1]),
        (32, [32]),
        (33, [17, 16]),
        (100, [25] * 4),
        (256, [32] * 8),
        (257, [29] * 5 + [28] * 4),
    ],
)
def test_pieces_are_as_equal_as_can_be(count: int, sizes: list[int]) -> None:
    rows = torch.arange(count)
    cut = pieces(rows, CPU)
    assert [len(piece) for piece in cut] == sizes
    assert torch.equal(torch.cat(cut), rows)
    assert all(piece.untyped_storage().data_ptr() == rows.untyped_storage().data_ptr() for piece in cut)


def test_a_gpu_gets_a_batch_at_once() -> None:
    rows = torch.arange(1000)
    assert [len(piece) for piece in pieces(rows, torch.device("cuda"))] == [1000]


def test_nothing_is_computed_on_few_images_that_was_computed_on_many() -> None:
    """A convolution may round in another way for one image alone."""
    smallest = {min(map(len, pieces(torch.arange(count), CPU))) for count in range(33, 700)}
    assert min(smallest) == PIECE["cpu"] // 2


@pytest.fixture
def network() -> nn.Module:
    made = build_network(
        ModelSpec(name="tiny", image_size=12, channels=3), 4, (0.3,) * 3, (0.4,) * 3, generator(1, "network")
    )
    made.train()
    made(torch.rand(64, 3, 12, 12, generator=generator(2, "statistics")))
    made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return made.eval()


@pytest.fixture
def split() -> Split:
    """One whole batch of 256, and 37 images of the next."""
    images = torch.rand(293, 3, 12, 12, generator=generator(3, "images"))
    labels = torch.arange(293) % 4
    return Split(ImageSet.of(images), labels, torch.arange(293), (b"",) * 293)


def test_features_and_attacks_are_those_of_whole_batches(
    network: Any, split: Split, workspace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lower, spec = network.split(2)[0], DisplacementSpec(eps=0.1, step=0.03, steps=3, copies=2)

    def found() -> tuple[Tensor, Tensor, float]:
        ctx = workspace("a").context()
        features = cached_features(lower, split.images, ctx)
        perturbed = perturbed_inputs(lower, split, spec, seed=0, ctx=ctx).inputs
        assert features is not None and isinstance(perturbed, Tensor)
        return features, perturbed, clean_accuracy(network, split, ctx)

    in_pieces = found()
    monkeypatch.setattr(module, "PIECE", {})
    whole = found()
    torch.testing.assert_close(in_pieces[0], whole[0])
    # A slope that is nearly 0 may have another sign after another rounding: then one pixel moves otherwise.
    moved, displaced = in_pieces[1] - whole[1], whole[1] - whole[1].mean(0)
    assert moved.abs().mean() < 1e-3 * displaced.abs().mean()
    assert abs(in_pieces[2] - whole[2]) <= 1 / len(split)
    if SAME_BITS:
        assert torch.equal(in_pieces[0], whole[0])
        assert torch.equal(in_pieces[1], whole[1])
        assert in_pieces[2] == whole[2] > 0


def test_no_more_than_a_piece_passes_at_once(network: Any, split: Split, workspace: Any) -> None:
    lower, passed = network.split(2)[0], list[int]()
    lower.register_forward_pre_hook(lambda _, inputs: passed.append(len(inputs[0])))
    assert cached_features(lower, split.images, workspace("a").context()) is not None
    assert max(passed) == PIECE["cpu"]
    assert sum(passed) == 1 + len(split), "one image tells the shape"
