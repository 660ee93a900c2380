"""Stratified samples: proportional, without repetition, and a function of the generator alone."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cartl_core.data.stratified import stratified
from cartl_core.nn.rng import generator

LABELS = st.lists(st.integers(0, 6), min_size=1, max_size=120).map(torch.tensor)


@settings(max_examples=200, deadline=None)
@given(labels=LABELS, limit=st.integers(0, 130), seed=st.integers(0, 9))
def test_each_class_is_within_one_of_its_share(labels: torch.Tensor, limit: int, seed: int) -> None:
    kept = stratified(labels, limit, generator(seed, "test"))
    assert len(kept) == min(limit, len(labels))
    assert kept.dtype == torch.int64
    assert torch.equal(kept, kept.unique()), "ascending, without repetition"
    for label in labels.unique():
        share = len(kept) * int((labels == label).sum()) / len(labels)
        assert abs(int((labels[kept] == label).sum()) - share) < 1


@settings(max_examples=50, deadline=None)
@given(labels=LABELS, limit=st.integers(0, 130), seed=st.integers(0, 9))
def test_the_generator_decides_alone(labels: torch.Tensor, limit: int, seed: int) -> None:
    kept = stratified(labels, limit, generator(seed, "test"))
    torch.rand(3)
    assert torch.equal(kept, stratified(labels, limit, generator(seed, "test")))


def test_no_limit_keeps_all() -> None:
    assert stratified(torch.tensor([4, 4, 2]), None, generator(0)).tolist() == [0, 1, 2]


def test_another_seed_keeps_others() -> None:
    labels = torch.arange(1000) % 10
    left, right = (set(stratified(labels, 100, generator(seed)).tolist()) for seed in (0, 1))
    assert len(left & right) < 50


def test_equal_remainders_are_drawn_by_lot() -> None:
    labels = torch.arange(100).repeat(4)
    served = {frozenset((labels[stratified(labels, 40, generator(seed))]).tolist()) for seed in range(3)}
    assert len(served) == 3
    assert all(len(classes) == 40 for classes in served)
