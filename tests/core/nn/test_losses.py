from __future__ import annotations

from math import exp, log, sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cartl_core.nn.losses import (
    PENALTIES,
    absolute_penalty,
    anchor_penalty,
    cosine_penalty,
    cross_entropy,
    divergence,
    fdm_loss,
    feature_distance,
    feature_drift,
    feature_spread,
    relative_penalty,
    spread_penalty,
)

LOGITS = torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
LABELS = torch.tensor([1, 2])
FIRST = log(exp(1.0) + exp(2.0) + 1.0) - 2.0
SECOND = log(3.0)


def test_cross_entropy_by_hand() -> None:
    assert cross_entropy(LOGITS, LABELS).tolist() == pytest.approx([FIRST, SECOND], abs=1e-12)


def test_feature_distance_by_hand() -> None:
    """Image 0: (3, 4, 0, 0) apart, so 5 / sqrt(4); image 1: (1, 1, 1, 1), so 2 / sqrt(4)."""
    perturbed = torch.tensor([[[[3.0, 5.0]], [[1.0, 0.0]]], [[[2.0, 0.0]], [[1.0, 1.0]]]])
    clean = torch.tensor([[[[0.0, 1.0]], [[1.0, 0.0]]], [[[1.0, 1.0]], [[0.0, 2.0]]]])
    assert perturbed.shape == (2, 2, 1, 2)
    assert feature_distance(perturbed, clean).tolist() == [2.5, 1.0]


def test_feature_distance_is_not_squared() -> None:
    clean = torch.randn(5, 3, 4, 4, dtype=torch.float64)
    step = torch.randn_like(clean)
    once, twice = (feature_distance(clean + scale * step, clean) for scale in (1.0, 2.0))
    torch.testing.assert_close(twice, 2 * once)


def test_the_gradient_where_features_are_equal_is_zero_and_elsewhere_a_unit_vector() -> None:
    clean = torch.zeros(2, 4, dtype=torch.float64)
    perturbed = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, 3.0, 0.0, 4.0]], dtype=torch.float64)
    perturbed.requires_grad_(True)
    clean.requires_grad_(True)
    feature_distance(perturbed, clean).sum().backward()
    expected = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, 0.6, 0.0, 0.8]], dtype=torch.float64) / sqrt(4)
    assert perturbed.grad is not None
    assert clean.grad is not None
    torch.testing.assert_close(perturbed.grad, expected)
    torch.testing.assert_close(clean.grad, -expected)


def test_feature_distance_of_half_precision_is_computed_in_single() -> None:
    clean = torch.full((1, 16), 100.0, dtype=torch.bfloat16)
    distance = feature_distance(clean + 1.0, clean)
    assert distance.dtype == torch.float32
    assert distance.item() == 1.0


def test_fdm_loss_by_hand() -> None:
    """Mean cross-entropy plus 128 * lambda * mean distance: what the authors sum over 128 images."""
    perturbed = torch.tensor([[3.0, 4.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    clean = torch.zeros_like(perturbed)
    loss = fdm_loss(LOGITS, LABELS, [perturbed], [clean], weight=0.005)
    assert loss.item() == pytest.approx((FIRST + SECOND) / 2 + 128 * 0.005 * (2.5 + 1.0) / 2, abs=1e-12)


def test_fdm_loss_means_the_same_at_any_batch_size() -> None:
    perturbed, clean = torch.randn(2, 4, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
    once = fdm_loss(LOGITS, LABELS, [perturbed], [clean], weight=0.01)
    again = fdm_loss(
        LOGITS.repeat(8, 1), LABELS.repeat(8), [perturbed.repeat(8, 1)], [clean.repeat(8, 1)], weight=0.01
    )
    torch.testing.assert_close(once, again)


def test_fdm_loss_of_the_paper_at_its_own_batch() -> None:
    perturbed, clean = torch.randn(128, 6, dtype=torch.float64), torch.randn(128, 6, dtype=torch.float64)
    logits, labels = torch.zeros(128, 2, dtype=torch.float64), torch.zeros(128, dtype=torch.int64)
    published = 0.005 * sum(
        sqrt(sum((p - c) ** 2 for p, c in zip(row, other, strict=True))) / sqrt(6)
        for row, other in zip(perturbed.tolist(), clean.tolist(), strict=True)
    )
    loss = fdm_loss(logits, labels, [perturbed], [clean], weight=0.005)
    assert loss.item() == pytest.approx(log(2.0) + published, rel=1e-12)


def test_the_spread_penalty_by_hand() -> None:
    """Distances 2 and 4 over sqrt(4), mean 1.5; the clean features are 1 from their mean, over sqrt(4)."""
    clean = torch.tensor([[1.0, 0.0, 0.0, 0.0], [-1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    perturbed = clean + torch.tensor([[0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 4.0, 0.0]], dtype=torch.float64)
    loss = fdm_loss(LOGITS, LABELS, [perturbed], [clean], weight=0.1, distance="spread")
    assert loss.item() == pytest.approx((FIRST + SECOND) / 2 + 0.1 * 1.5 / 0.5, abs=1e-12)


def test_only_the_absolute_penalty_falls_when_features_shrink() -> None:
    perturbed, clean = torch.randn(5, 3, 4, dtype=torch.float64), torch.randn(5, 3, 4, dtype=torch.float64)
    shrunk = (0.2 * perturbed, 0.2 * clean)
    torch.testing.assert_close(spread_penalty(*shrunk), spread_penalty(perturbed, clean))
    torch.testing.assert_close(absolute_penalty(*shrunk), 0.2 * absolute_penalty(perturbed, clean))


def test_the_relative_penalty_by_hand() -> None:
    """Moved by 5 from a length of 10, and by 1 from a length of 4: the mean of 0.5 and 0.25."""
    clean = torch.tensor([[6.0, 8.0, 0.0], [0.0, 0.0, 4.0]], dtype=torch.float64)
    perturbed = clean + torch.tensor([[3.0, 4.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    assert relative_penalty(perturbed, clean).item() == pytest.approx(0.375, abs=1e-12)


def test_the_cosine_penalty_by_hand() -> None:
    """At angles of 0, 60, 90 and 180 degrees: 0, 1/2, 1 and 2."""
    clean = torch.tensor([[2.0, 0.0]] * 4, dtype=torch.float64)
    perturbed = torch.tensor([[5.0, 0.0], [1.0, sqrt(3)], [0.0, 3.0], [-1.0, 0.0]], dtype=torch.float64)
    each = [cosine_penalty(perturbed[i : i + 1], clean[i : i + 1]).item() for i in range(4)]
    assert each == pytest.approx([0.0, 0.5, 1.0, 2.0], abs=1e-12)
    assert cosine_penalty(perturbed, clean).item() == pytest.approx(0.875, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_a_common_scale_drops_out_and_for_the_cosine_any_scale(seed: int, one: float, other: float) -> None:
    draw = torch.Generator().manual_seed(seed)
    perturbed, clean = (torch.randn(6, 3, 2, 2, dtype=torch.float64, generator=draw) for _ in range(2))
    for penalty in (spread_penalty, relative_penalty, cosine_penalty):
        torch.testing.assert_close(penalty(one * perturbed, one * clean), penalty(perturbed, clean))
    torch.testing.assert_close(
        cosine_penalty(one * perturbed, other * clean), cosine_penalty(perturbed, clean)
    )


@pytest.mark.parametrize("distance", sorted(PENALTIES))
def test_a_step_downhill_brings_features_nearer(distance: str) -> None:
    """Gradient flows into both, and the loss falls by what it says for a short step."""
    draw = torch.Generator().manual_seed(3)
    pair = [torch.randn(4, 5, dtype=torch.float64, generator=draw).requires_grad_() for _ in range(2)]
    before = PENALTIES[distance](*pair)
    slopes = torch.autograd.grad(before, pair)
    assert all(slope.abs().sum() > 0 for slope in slopes)
    after = PENALTIES[distance](*(value - 1e-6 * slope for value, slope in zip(pair, slopes, strict=True)))
    expected = 1e-6 * sum(slope.square().sum().item() for slope in slopes)
    assert (before - after).item() == pytest.approx(expected, rel=1e-3)


def test_features_of_length_zero_give_finite_penalties_and_gradients() -> None:
    for penalty in PENALTIES.values():
        perturbed, clean = torch.zeros(2, 3, requires_grad=True), torch.zeros(2, 3, requires_grad=True)
        loss = penalty(perturbed, clean)
        loss.backward()
        assert perturbed.grad is not None and clean.grad is not None
        assert all(tensor.isfinite().all() for tensor in (loss, perturbed.grad, clean.grad))


def test_equal_features_have_no_spread_and_no_penalty_that_is_not_finite() -> None:
    flat = torch.ones(4, 6)
    assert spread_penalty(flat, flat).item() == 0
    assert feature_spread(flat).item() == 0


@pytest.mark.parametrize("distance", sorted(PENALTIES))
def test_several_layers_count_by_their_mean(distance: str) -> None:
    layers = [
        (torch.randn(2, size, dtype=torch.float64), torch.randn(2, size, dtype=torch.float64))
        for size in (3, 7)
    ]
    alone = [fdm_loss(LOGITS, LABELS, [a], [b], weight=0.3, distance=distance) for a, b in layers]
    both = fdm_loss(LOGITS, LABELS, *zip(*layers, strict=True), weight=0.3, distance=distance)
    torch.testing.assert_close(both, torch.stack(alone).mean())


def test_the_divergence_by_hand() -> None:
    """From (1/4, 3/4) to (1/2, 1/2): 1/4 ln 1/2 + 3/4 ln 3/2; from a distribution to itself nothing."""
    clean = torch.tensor([[0.0, log(3.0)], [2.0, 5.0]], dtype=torch.float64)
    displaced = torch.tensor([[7.0, 7.0], [-1.0, 2.0]], dtype=torch.float64)
    expected = 0.25 * log(0.5) + 0.75 * log(1.5)
    assert divergence(displaced, clean).tolist() == pytest.approx([expected, 0.0], abs=1e-12)


def test_the_divergence_moves_both_answers_and_is_never_negative() -> None:
    draw = torch.Generator().manual_seed(4)
    pair = [torch.randn(50, 5, generator=draw).requires_grad_() for _ in range(2)]
    found = divergence(*pair)
    assert float(found.detach().min()) >= -1e-6
    found.sum().backward()
    assert all(logits.grad is not None and logits.grad.abs().sum() > 0 for logits in pair)


def test_feature_drift_by_hand() -> None:
    """Sums of absolute differences over the features, not means: 1 + 2 and 0 + 4."""
    features = torch.tensor([[1.0, 2.0], [0.0, -4.0]], dtype=torch.float64)
    teacher = torch.tensor([[0.0, 4.0], [0.0, 0.0]], dtype=torch.float64)
    assert feature_drift(features, teacher).tolist() == [3.0, 4.0]


def test_feature_drift_moves_the_student_only() -> None:
    features = torch.tensor([[1.0, 2.0], [0.0, -4.0]], requires_grad=True)
    teacher = torch.zeros(2, 2, requires_grad=True)
    feature_drift(features, teacher).mean().backward()
    assert teacher.grad is None
    assert features.grad is not None
    torch.testing.assert_close(features.grad, features.sign().detach() / 2)


def test_the_anchor_penalty_by_hand() -> None:
    """Half of 1 + 4 and of 9; its gradient is the way back to the anchor."""
    weights = {
        "a": torch.tensor([1.0, 2.0], requires_grad=True),
        "b": torch.tensor([[5.0]], requires_grad=True),
    }
    anchors = {"a": torch.tensor([0.0, 4.0]), "b": torch.tensor([[2.0]]), "more": torch.zeros(1)}
    penalty = anchor_penalty(weights, anchors)
    assert penalty.item() == 7.0
    penalty.backward()
    assert weights["a"].grad is not None and weights["b"].grad is not None
    assert (weights["a"].grad.tolist(), weights["b"].grad.tolist()) == ([1.0, -2.0], [[3.0]])


def test_nothing_is_changed_in_place() -> None:
    perturbed, clean = torch.randn(2, 3), torch.randn(2, 3)
    before = [x.clone() for x in (LOGITS, LABELS, perturbed, clean)]
    fdm_loss(LOGITS, LABELS, [perturbed], [clean], weight=1.0)
    feature_drift(perturbed, clean)
    for penalty in PENALTIES.values():
        penalty(perturbed, clean)
    assert all(torch.equal(x, y) for x, y in zip((LOGITS, LABELS, perturbed, clean), before, strict=True))
