from __future__ import annotations

from math import comb
from statistics import NormalDist

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from torch import Tensor, nn

from cartl_core.evaluation import randomized_smoothing as smoothing
from cartl_core.evaluation.randomized_smoothing import (
    Certified,
    certified_radius,
    certify,
    clopper_pearson_low,
)
from cartl_core.nn.rng import generator

SIGMA = 0.3


class HalfSpaces(nn.Module):
    """Class 1 where w . x + b > 0: the smoothed classifier is the same one, its radius the distance."""

    def __init__(self, pixels: int = 4) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(pixels, generator=generator(0, "w")))
        self.bias = nn.Parameter(-0.5 * self.weight.detach().sum())

    def forward(self, x: Tensor) -> Tensor:
        side = x.flatten(1) @ self.weight + self.bias
        return torch.stack([-side, side], dim=1)

    def distance(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            result: Tensor = (self(x)[:, 1] / self.weight.norm()).double()
            return result


class Patches(nn.Module):
    """Three classes on two pixels, each of several patches: the class of the nearest of nine centres."""

    def __init__(self) -> None:
        super().__init__()
        self.centres = nn.Parameter(2.4 * torch.rand(3, 3, 2, generator=generator(4, "centres")) - 0.7)

    def forward(self, x: Tensor) -> Tensor:
        apart = (x.flatten(1)[:, None, None] - self.centres).square().sum(3)
        return -20 * apart.amin(2)


def images_of(count: int, pixels: int = 4, seed: int = 0) -> Tensor:
    return torch.rand(count, 1, 1, pixels, generator=generator(seed, "images"))


def certified(model: nn.Module, images: Tensor, **changes: object) -> Certified:
    how: dict[str, object] = {"sigma": SIGMA, "n0": 50, "n": 600, "alpha": 0.01, "seed": 0}
    how["indices"] = range(len(images))
    return certify(model, images, **(how | changes))  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.data(), st.sampled_from([0.001, 0.05, 0.5]))
def test_the_lower_bound_is_where_so_many_successes_have_probability_alpha(
    n: int, data: st.DataObject, alpha: float
) -> None:
    successes = data.draw(st.integers(1, n))
    low = clopper_pearson_low(successes, n, alpha)
    tail = sum(comb(n, k) * low**k * (1 - low) ** (n - k) for k in range(successes, n + 1))
    assert tail == pytest.approx(alpha, rel=1e-6)


def test_no_success_no_bound() -> None:
    assert clopper_pearson_low(0, 10, 0.1) == 0.0
    for successes, n, alpha in ((-1, 5, 0.1), (6, 5, 0.1), (0, 0, 0.1), (1, 5, 0.0), (1, 5, 1.0)):
        with pytest.raises(ValueError, match="no proportion"):
            clopper_pearson_low(successes, n, alpha)


def test_the_largest_radius_is_that_of_all_votes() -> None:
    assert certified_radius(1000, 1000, sigma=0.5, alpha=0.001) == pytest.approx(
        0.5 * NormalDist().inv_cdf(0.001 ** (1 / 1000))
    )
    assert certified_radius(500, 1000, sigma=0.5, alpha=0.001) == 0.0


def test_on_a_linear_model_the_radius_is_below_the_distance_but_for_alpha() -> None:
    """Exact: the class has probability quantile(distance / sigma). So many violations are binomial."""
    model, alpha, count = HalfSpaces(), 0.05, 500
    images = images_of(count)
    found = certified(model, images, alpha=alpha)
    distance = model.distance(images)
    violations = int((found.radius > distance.abs()).sum())
    assert 0 < violations <= binom.ppf(1 - 1e-6, count, alpha)
    sure = ~found.abstained
    assert ((distance > 0).long() == found.predicted)[sure].double().mean() > 0.99
    reach = SIGMA * NormalDist().inv_cdf(alpha ** (1 / 600))
    inside = (distance.abs() > 0.2) & (distance.abs() < 0.6 * reach)
    assert int(inside.sum()) > 50
    assert float((found.radius / distance.abs())[inside].min()) > 0.6


def test_on_the_border_it_abstains() -> None:
    model = HalfSpaces()
    images = images_of(40)
    images -= (
        (model.distance(images).float()[:, None] * model.weight / model.weight.norm())
        .view_as(images)
        .detach()
    )
    found = certified(model, images)
    assert int(found.abstained.sum()) >= 38
    assert found.radius[found.abstained].eq(0).all()


def smoothed_probability(model: nn.Module, points: Tensor, draws: int, seed: int) -> Tensor:
    """(N, K): a fresh estimate, by noise that certify has never seen."""
    noise = torch.randn(draws, 1, *points.shape[1:], generator=generator(seed, "fresh"))
    with torch.no_grad():
        logits = model((points + SIGMA * noise).flatten(0, 1))
    votes = nn.functional.one_hot(logits.argmax(1), logits.shape[1]).view(draws, len(points), -1)
    return votes.double().mean(0)


def attacked(model: nn.Module, images: Tensor, classes: Tensor, radius: Tensor) -> Tensor:
    """L2 PGD up the expected loss under noise, to each image's own radius; not clipped: the ball is whole."""
    delta = torch.zeros_like(images)
    for step in range(25):
        delta.requires_grad_(True)
        noise = torch.randn(128, 1, *images.shape[1:], generator=generator(step, "attack"))
        logits = model((images + delta + SIGMA * noise).flatten(0, 1)).view(128, len(images), -1)
        chance = logits.softmax(2).mean(0).gather(1, classes[:, None])
        (gradient,) = torch.autograd.grad(-chance.log().sum(), delta)
        scale = radius.float().view(-1, 1, 1, 1)
        moved = delta.detach() + 0.25 * scale * nn.functional.normalize(gradient.flatten(1)).view_as(delta)
        length = moved.flatten(1).norm(dim=1).view(-1, 1, 1, 1).clamp_min(1e-12)
        delta = moved * (scale / length).clamp(max=1)
    return images + delta


def test_no_certified_image_is_broken_by_an_attack_on_the_smoothed_classifier_but_for_alpha() -> None:
    model, alpha, count = Patches(), 0.01, 150
    images = images_of(count, pixels=2)
    found = certified(model, images, alpha=alpha)
    sure = ~found.abstained
    assert len(found.predicted[sure].unique()) == 3
    assert int(sure.sum()) > 60
    inside = attacked(model, images[sure], found.predicted[sure], 0.999 * found.radius[sure])
    draws = 4000
    chance = smoothed_probability(model, inside, draws, seed=1)
    own = chance.gather(1, found.predicted[sure][:, None])[:, 0]
    rival = chance.scatter(1, found.predicted[sure][:, None], 0).amax(1)
    broken = int((rival - own > 4 / draws**0.5).sum())
    assert broken <= binom.ppf(1 - 1e-6, int(sure.sum()), alpha)


def test_the_attack_does_break_what_is_not_certified() -> None:
    """Else the test above would pass with any attack."""
    model = Patches()
    images = images_of(60, pixels=2)
    found = certified(model, images)
    sure = ~found.abstained
    outside = attacked(model, images[sure], found.predicted[sure], 0.1 + 4 * found.radius[sure])
    own = smoothed_probability(model, outside, 1000, seed=2).gather(1, found.predicted[sure][:, None])[:, 0]
    assert float((own < 0.4).double().mean()) > 0.5


def test_batching_changes_nothing_and_the_seed_does() -> None:
    model, images = HalfSpaces(), images_of(6)
    whole = certified(model, images)
    parts = [
        certified(model, images[part], indices=torch.arange(6)[part]) for part in (slice(0, 2), slice(2, 6))
    ]
    for name in Certified._fields:
        assert torch.equal(getattr(whole, name), torch.cat([getattr(part, name) for part in parts]))
    assert not torch.equal(whole.radius, certified(model, images, seed=1).radius)
    same_image = certified(model, images[:1].expand(3, -1, -1, -1))
    assert len(set(same_image.radius.tolist())) > 1, "each index has noise of its own"


def test_so_many_draws_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoothing, "DRAWS", 7)
    seen: list[int] = []

    class Counting(HalfSpaces):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return super().forward(x)

    certified(Counting(), images_of(2), n0=5, n=23)
    assert seen == [5, 7, 7, 7, 2] * 2


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(HalfSpaces(), nn.Dropout(0.5)).train()
    certified(model, images_of(2))
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_not_finite_vote_for_no_class(value: float) -> None:
    """Their largest is at place 0, which must not become a certificate of class 0."""

    class Spoiled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.full((len(x), 3), value)

    images = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    found = certify(Spoiled(), images, sigma=0.25, n0=10, n=100, alpha=0.001, seed=0, indices=[0, 1])
    assert found.abstained.all() and (found.radius == 0).all()
