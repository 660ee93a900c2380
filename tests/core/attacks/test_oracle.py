"""A linear model of two classes: what any attack can reach is known in closed form."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from cartl_core.attacks import perturb, random_starts
from cartl_core.attacks.pgd import run_pgd
from cartl_core.attacks.random_starts import AttackRandomness
from cartl_core.nn.rng import generator
from cartl_core.spec import AttackSpec

SHAPE = (2, 5, 4)
EPS = 1 / 64
SLACK = 1e-9
"""Margins nearer to the boundary than this are decided by rounding."""


class Linear(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        draw = generator(seed, "linear")
        size = SHAPE[0] * SHAPE[1] * SHAPE[2]
        self.weight = nn.Parameter(torch.randn(2, size, generator=draw, dtype=torch.float64))
        self.bias = nn.Parameter(-self.weight.detach().sum(1) / 2)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight.T + self.bias

    def slope(self, labels: Tensor) -> Tensor:
        """Gradient of the margin of the true class over the other one, (N, *SHAPE)."""
        w = self.weight.detach()
        return (w[labels] - w[1 - labels]).view(-1, *SHAPE)

    def margin(self, images: Tensor, labels: Tensor) -> Tensor:
        logits = self(images).detach()
        rows = torch.arange(len(labels))
        result: Tensor = logits[rows, labels] - logits[rows, 1 - labels]
        return result


def images_and_labels(low: float, high: float, seed: int, count: int = 300) -> tuple[Tensor, Tensor]:
    draw = generator(seed, "images", str(low))
    images = torch.rand(count, *SHAPE, generator=draw, dtype=torch.float64) * (high - low) + low
    return images, torch.randint(0, 2, (count,), generator=draw)


def attack(*, steps: int = 20, eps: float = EPS, step: float = EPS / 4, restarts: int = 1) -> AttackSpec:
    return AttackSpec(label="pgd", eps=eps, step=step, steps=steps, restarts=restarts)


def starts(count: int, eps: float = EPS, seed: int = 0) -> Callable[[int], Tensor]:
    def of(restart: int) -> Tensor:
        return random_starts(
            SHAPE, eps, seed=seed, label="pgd", restart=restart, indices=range(count)
        ).double()

    return of


@pytest.mark.parametrize("seed", range(4))
def test_inside_the_box_robust_means_margin_above_eps_times_the_dual_norm(seed: int) -> None:
    model = Linear(seed)
    images, labels = images_and_labels(0.2, 0.8, seed)
    assert images.min() - EPS > 0
    assert images.max() + EPS < 1
    margin = model.margin(images, labels)
    dual = model.slope(labels).flatten(1).abs().sum(1)
    robust = margin > EPS * dual
    decided = (margin - EPS * dual).abs() > SLACK
    outcome = run_pgd(model, images, labels, attack(), randomness=AttackRandomness(starts(len(images))))
    assert decided.float().mean() > 0.99
    assert torch.equal(outcome.broken[decided], ~robust[decided])
    right = margin > 0
    assert (right & ~robust).sum() > 20, "some must fall"
    assert robust.sum() > 20, "some must stand"


@pytest.mark.parametrize("seed", range(4))
def test_at_the_box_the_clipped_corner_decides(seed: int) -> None:
    model = Linear(seed)
    images, labels = images_and_labels(0.0, 1.0, seed)
    images = images.where((images - 0.5).abs() < 0.4, images.round())
    slope = model.slope(labels)
    worst = torch.clamp(images - EPS * slope.sign(), 0, 1)
    lowest = model.margin(images, labels) + (slope * (worst - images)).flatten(1).sum(1)
    decided = lowest.abs() > SLACK
    outcome = run_pgd(model, images, labels, attack(), randomness=AttackRandomness(starts(len(images))))
    assert torch.equal(outcome.broken[decided], (lowest <= 0)[decided])
    # The box matters here: without it more images would fall.
    dual = slope.flatten(1).abs().sum(1)
    unclipped = model.margin(images, labels) - EPS * dual
    assert ((unclipped <= 0) & (lowest > 0)).any()


@pytest.mark.parametrize("random_start", [True, False])
def test_the_perturbation_is_minus_eps_times_the_sign_of_the_slope(random_start: bool) -> None:
    model = Linear(0)
    images, labels = images_and_labels(0.2, 0.8, 0)
    start = starts(len(images))(0) if random_start else None
    adversarial = perturb(model, images, labels, eps=EPS, step=EPS / 4, steps=8, start=start)
    assert torch.equal(adversarial, images - EPS * model.slope(labels).sign())


def test_the_last_image_of_those_that_stand_is_the_worst_corner() -> None:
    model = Linear(1)
    images, labels = images_and_labels(0.2, 0.8, 1)
    outcome = run_pgd(model, images, labels, attack(), randomness=AttackRandomness(starts(len(images))))
    corner = images - EPS * model.slope(labels).sign()
    robust = ~outcome.broken
    assert torch.equal(outcome.adversarial[robust], corner[robust])


def test_too_few_steps_reach_only_so_far() -> None:
    """k steps of s from the image itself lower the margin by k * s * ||w||_1, no more."""
    model = Linear(2)
    images, labels = images_and_labels(0.2, 0.8, 2)
    dual = model.slope(labels).flatten(1).abs().sum(1)
    for steps in (1, 2, 3):
        spec = attack(steps=steps).model_copy(update={"random_start": False})
        reached = model.margin(images, labels) - steps * EPS / 4 * dual
        decided = reached.abs() > SLACK
        outcome = run_pgd(model, images, labels, spec)
        assert torch.equal(outcome.broken[decided], (reached <= 0)[decided])


def test_at_radius_zero_only_what_was_wrong_is_broken() -> None:
    model = Linear(3)
    images, labels = images_and_labels(0.0, 1.0, 3)
    outcome = run_pgd(
        model, images, labels, attack(eps=0.0), randomness=AttackRandomness(starts(len(images), 0.0))
    )
    assert torch.equal(outcome.broken, model.margin(images, labels) < 0)
    assert torch.equal(outcome.adversarial, images)
    assert 0 < outcome.broken.sum() < len(images)
