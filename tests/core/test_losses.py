from __future__ import annotations

from math import exp, log, sqrt

import pytest
import torch

from cartl_core.losses import (
    PENALTIES,
    absolute_penalty,
    cross_entropy,
    fdm_loss,
    feature_distance,
    feature_spread,
    lwf_loss,
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


def test_lwf_loss_by_hand() -> None:
    """Distances are sums of absolute differences over the features: 1 + 2 and 0 + 4, mean 3.5."""
    features = torch.tensor([[1.0, 2.0], [0.0, -4.0]], dtype=torch.float64)
    teacher = torch.tensor([[0.0, 4.0], [0.0, 0.0]], dtype=torch.float64)
    loss = lwf_loss(LOGITS, LABELS, features, teacher, weight=0.1)
    assert loss.item() == pytest.approx((FIRST + SECOND) / 2 + 0.1 * 3.5, abs=1e-12)


def test_lwf_moves_the_student_only() -> None:
    features = torch.tensor([[1.0, 2.0], [0.0, -4.0]], requires_grad=True)
    teacher = torch.zeros(2, 2, requires_grad=True)
    lwf_loss(LOGITS, LABELS, features, teacher, weight=0.1).backward()
    assert teacher.grad is None
    assert features.grad is not None
    torch.testing.assert_close(features.grad, 0.1 * features.sign().detach() / 2)


def test_nothing_is_changed_in_place() -> None:
    perturbed, clean = torch.randn(2, 3), torch.randn(2, 3)
    before = [x.clone() for x in (LOGITS, LABELS, perturbed, clean)]
    fdm_loss(LOGITS, LABELS, [perturbed], [clean], weight=1.0)
    lwf_loss(LOGITS, LABELS, perturbed, clean, weight=1.0)
    assert all(torch.equal(x, y) for x, y in zip((LOGITS, LABELS, perturbed, clean), before, strict=True))
