"""The parts that differ between norms, and the losses, against their definitions."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch import Tensor

from cartl_core.attacks import random_starts
from cartl_core.attacks.losses import OBJECTIVES, targeted_ratio
from cartl_core.attacks.norm_balls import BALLS
from cartl_core.nn.rng import generator
from cartl_core.spec.measures.attack import ATTACKS, TARGETED, Norm

NORMS: tuple[Norm, ...] = ("linf", "l2", "l1")
ORDER = {"linf": torch.inf, "l2": 2, "l1": 1}
RADII = {"linf": 0.1, "l2": 0.7, "l1": 3.0}
SHAPE = (1, 6, 5)


def length(norm: Norm, delta: Tensor) -> Tensor:
    result: Tensor = torch.linalg.vector_norm(delta.flatten(1), ord=ORDER[norm], dim=1)
    return result


def uniform(count: int, purpose: str) -> Tensor:
    return torch.rand(count, *SHAPE, generator=generator(0, purpose), dtype=torch.float64)


def images_at_the_walls(count: int) -> Tensor:
    images = uniform(count, "images")
    return images.where((images - 0.5).abs() < 0.35, images.round())


@pytest.mark.parametrize("reach", [0.02, 0.5, 30.0])
@pytest.mark.parametrize("norm", NORMS)
def test_projection_is_the_nearest_point_of_ball_and_box(norm: Norm, reach: float) -> None:
    """p is nearest to y in a convex set when <y - p, z - p> <= 0 for every z of the set."""
    ball, eps, images = BALLS[norm], RADII[norm], images_at_the_walls(64)
    bounds = ball.bounds(images, eps)
    point = images + reach * (2 * uniform(64, "point") - 1)
    nearest = ball.project(point, bounds, eps)
    assert (length(norm, nearest - images) <= eps * (1 + 1e-9)).all()
    assert nearest.min() >= 0
    assert nearest.max() <= 1
    slack = 1e-7 * (1 + reach)
    for trial in range(40):
        # Candidates near and far: corners of the box, pulled towards the image into the ball.
        wild = images + (uniform(64, f"other {trial}").round() - images) * uniform(64, f"pull {trial}")
        delta = (wild - images).clamp(-eps, eps) if norm == "linf" else wild - images
        other = images + delta * (eps / length(norm, delta)).clamp(max=1).view(-1, 1, 1, 1)
        assert (((point - nearest) * (other - nearest)).flatten(1).sum(1) <= slack).all()
    torch.testing.assert_close(ball.project(nearest, bounds, eps), nearest)


@pytest.mark.parametrize("norm", NORMS)
def test_what_is_inside_stays_where_it_is(norm: Norm) -> None:
    images, eps = uniform(16, "images"), RADII[norm]
    ball = BALLS[norm]
    delta = (uniform(16, "small") - images) * 1e-3
    torch.testing.assert_close(ball.project(images + delta, ball.bounds(images, eps), eps), images + delta)


@pytest.mark.parametrize("norm", NORMS)
def test_at_radius_zero_only_the_image_is_left(norm: Norm) -> None:
    images, ball = uniform(8, "images"), BALLS[norm]
    assert torch.equal(ball.project(uniform(8, "point"), ball.bounds(images, 0.0), 0.0), images)


@pytest.mark.parametrize("scale", [1.0, 1e-40, 1e30])
@pytest.mark.parametrize("norm", NORMS)
def test_a_step_has_norm_one_and_goes_up_however_small_the_gradient(norm: Norm, scale: float) -> None:
    gradient = ((2 * uniform(16, "gradient") - 1) * scale).float()
    step = BALLS[norm].steepest(gradient, uniform(16, "images").float())
    torch.testing.assert_close(length(norm, step), torch.ones(16))
    assert ((gradient / scale * step).flatten(1).sum(1) > 0).all()


@pytest.mark.parametrize("norm", NORMS)
def test_no_gradient_no_step(norm: Norm) -> None:
    for value in (0.0, torch.nan):
        gradient = torch.full((2, *SHAPE), value)
        assert torch.equal(BALLS[norm].steepest(gradient, gradient), torch.zeros(2, *SHAPE))


def test_l1_steps_where_there_is_room() -> None:
    """Three pixels, the steepest at the wall: it presses on, the next one moves, by 1 in all."""
    gradient = torch.tensor([[[[3.0, -2.0, 1.0]]]])
    step = BALLS["l1"].steepest(gradient, torch.tensor([[[[1.0, 0.5, 0.5]]]]))
    assert step.flatten().tolist() == [1.5, -1.0, 0.0]
    step = BALLS["l1"].steepest(gradient, torch.tensor([[[[1.0, 0.0, 0.5]]]]))
    assert step.flatten().tolist() == [3.0, -2.0, 1.0]
    step = BALLS["l1"].steepest(gradient, torch.tensor([[[[1.0, 0.0, 1.0]]]]))
    assert step.flatten().tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("norm", NORMS)
def test_starts_fill_the_ball_evenly(norm: Norm) -> None:
    """In d dimensions a share r**d of a ball lies within r times its radius; each half is as likely."""
    eps, shape, count = RADII[norm], (1, 2, 2), 4000
    drawn = random_starts(shape, eps, seed=1, label="a", restart=0, indices=range(count), norm=norm)
    norms = length(norm, drawn) / eps
    assert norms.max() <= 1 + 1e-6
    for r in (0.5, 0.7, 0.9):
        share = r**4
        assert abs(float((norms < r).float().mean()) - share) < 4 * sqrt(share * (1 - share) / count)
    assert ((drawn > 0).float().mean(0) - 0.5).abs().max() < 4 * sqrt(0.25 / count)
    assert torch.equal(
        random_starts(shape, eps, seed=1, label="a", restart=0, indices=[7, 3], norm=norm),
        drawn[[7, 3]],
    )


def test_losses_are_those_of_their_formulas() -> None:
    logits = torch.tensor([[4.0, 1.0, 2.0, 0.5], [4.0, 1.0, 2.0, 0.5]])
    labels = torch.tensor([0, 1])
    assert OBJECTIVES["margin"](logits, labels).tolist() == pytest.approx([-2.0, 3.0])
    assert OBJECTIVES["dlr"](logits, labels).tolist() == pytest.approx([-2 / 3, 1.0])


def test_the_targeted_ratio_is_that_of_its_formula() -> None:
    logits = torch.tensor([[4.0, 1.0, 2.0, 0.5]])
    value = targeted_ratio(logits, torch.tensor([0]), torch.tensor([1]))
    assert value.tolist() == pytest.approx([-3 / (4 - (1 + 0.5) / 2)])
    with pytest.raises(ValueError, match="needs 4 classes, not 3"):
        targeted_ratio(logits[:, :3], torch.tensor([0]), torch.tensor([1]))


def test_the_ratio_does_not_hear_scale_and_shift() -> None:
    logits = torch.randn(9, 5, generator=generator(0, "logits"), dtype=torch.float64)
    labels = torch.arange(9) % 5
    ratio = OBJECTIVES["dlr"](logits, labels)
    torch.testing.assert_close(OBJECTIVES["dlr"](1e-3 * logits + 7, labels), ratio)
    assert ((ratio > 0) == (logits.argmax(1) != labels)).all()


def test_the_ratio_needs_three_classes_and_bears_equal_logits() -> None:
    with pytest.raises(ValueError, match="needs 3 classes, not 2"):
        OBJECTIVES["dlr"](torch.zeros(1, 2), torch.tensor([0]))
    assert OBJECTIVES["dlr"](torch.zeros(1, 3), torch.tensor([0])).isfinite().all()


def test_every_attack_of_the_table_has_its_losses_and_norms() -> None:
    for facts in ATTACKS.values():
        assert set(facts.norms) <= set(BALLS)
        assert set(facts.losses) <= {*OBJECTIVES, *TARGETED}
