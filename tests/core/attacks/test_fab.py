"""FAB: it finds the nearest point across each boundary, whatever the scale of the logits."""

from __future__ import annotations

import pytest
import torch
from scipy.optimize import linprog
from torch import Tensor, nn

from cartl_core.attacks.fab import run_fab
from cartl_core.attacks.losses import targets
from cartl_core.attacks.random_starts import AttackRandomness
from cartl_core.nn.rng import generator
from cartl_core.spec import AttackSpec

SHAPE = (2, 4, 4)
SIZE = 32
CLASSES = 6
COUNT = 80
DUAL = {"linf": 1, "l2": 2}


class Scores(nn.Module):
    """Linear, ``CLASSES`` classes, all close rivals; or bent, where ``bend`` is above 0."""

    def __init__(self, seed: int, scale: float = 1.0, bend: float = 0.0) -> None:
        super().__init__()
        draw = generator(seed, "scores")
        self.weight = torch.randn(CLASSES, SIZE, generator=draw, dtype=torch.float64)
        self.scale, self.bend, self.seen = scale, bend, 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        flat = x.flatten(1).double() - 0.5
        return self.scale * (flat @ self.weight.T + self.bend * (3 * flat).sin() @ self.weight.T.flip(0))


def task(model: Scores, low: float = 0.3, high: float = 0.7) -> tuple[Tensor, Tensor]:
    images = torch.rand(COUNT, *SHAPE, generator=generator(1, "images"), dtype=torch.float64)
    images = images * (high - low) + low
    return images, model(images).argmax(1)


def spec(norm: str, eps: float, **changes: object) -> AttackSpec:
    settings = {"label": "fab", "name": "fab", "norm": norm, "eps": eps, "steps": 20, "random_start": False}
    return AttackSpec.model_validate(settings | changes)


def nearest(model: Scores, images: Tensor, labels: Tensor, norm: str) -> Tensor:
    """(N,): how far the nearest boundary is: gap / dual norm of the difference, the least over classes.

    In l1, where walls stand in the way, the least of linear programs.
    """
    scores = model(images) / model.scale
    gaps = scores.gather(1, labels.unsqueeze(1)) - scores
    between = model.weight[labels].unsqueeze(1) - model.weight
    if norm == "l1":
        near = [
            min(
                least_in_l1(images[row].flatten(), -between[row, other], float(gaps[row, other]))
                for other in range(CLASSES)
                if other != labels[row]
            )
            for row in range(COUNT)
        ]
        return torch.tensor(near, dtype=torch.float64)
    apart = between.norm(p=DUAL[norm], dim=2)
    result: Tensor = (gaps / apart).masked_fill(apart == 0, torch.inf).amin(1)
    return result


def least_in_l1(point: Tensor, slope: Tensor, height: float) -> float:
    """The least sum of what goes up and what goes down in the box that gains ``height``; else infinite."""
    up, down = (1 - point).tolist(), point.tolist()
    answer = linprog(
        c=[1.0] * (2 * SIZE),
        A_ub=-torch.cat([slope, -slope]).numpy()[None],
        b_ub=[-height],
        bounds=[(0, room) for room in up + down],
    )
    return float(answer.fun) if answer.success else float("inf")


@pytest.mark.parametrize(
    ("norm", "scale"),
    [*((norm, scale) for norm in ("linf", "l2") for scale in (1.0, 1e-6, 1e4)), ("l1", 1e-6)],
)
def test_an_image_falls_where_the_nearest_of_all_boundaries_is_inside_the_ball(
    norm: str, scale: float
) -> None:
    model = Scores(0, scale)
    images, labels = task(model)
    near = nearest(model, images, labels, norm)
    for part in (0.25, 0.5, 0.75):
        eps = float(near.quantile(part))
        outcome = run_fab(model, images, labels, spec(norm, eps))
        assert not outcome.broken[near > eps * (1 + 1e-9)].any()
        assert outcome.broken[near < eps * 0.99].all()
        assert 0.1 < outcome.broken.float().mean() < 0.9


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_on_a_bent_model_more_falls_than_at_the_first_step(norm: str) -> None:
    """Linear once is not enough there: the steps after the first are needed, and the walls matter."""
    model = Scores(2, bend=0.8)
    images, labels = task(model, 0.0, 1.0)
    eps = {"linf": 0.1, "l2": 0.3, "l1": 0.8}[norm]
    fallen = [
        int(run_fab(model, images, labels, spec(norm, eps, steps=steps)).broken.sum()) for steps in (1, 3, 30)
    ]
    assert fallen == sorted(fallen)
    assert fallen[2] > fallen[0]
    assert fallen[2] < COUNT


def test_the_cost_is_what_was_passed_and_the_first_restart_begins_at_the_image() -> None:
    model = Scores(0)
    images, labels = task(model)
    model.seen = 0
    outcome = run_fab(model, images, labels, spec("linf", 1e-4, steps=3))
    assert outcome.passes == model.seen
    # Each step asks twice: for the slope, and where it led to.
    assert model.seen == COUNT * (1 + 2 * 3 * (CLASSES - 1))
    assert not outcome.broken.any()
    assert (outcome.adversarial - images).abs().max() <= 1e-4


def test_a_random_start_is_asked_for_and_must_be_given() -> None:
    model = Scores(0)
    images, labels = task(model)
    with pytest.raises(ValueError, match="randomness must be given"):
        run_fab(model, images, labels, spec("linf", 0.01, random_start=True))
    asked: list[int] = []

    def starts(number: int) -> Tensor:
        asked.append(number)
        return torch.zeros_like(images)

    attack = spec("linf", 1e-5, random_start=True, restarts=2, steps=1)
    run_fab(model, images, labels, attack, randomness=AttackRandomness(starts))
    assert asked == list(range(2 * (CLASSES - 1)))


def test_targets_are_the_likeliest_others_at_most_nine() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0, 2.0], [5.0, 5.0, 9.0, 1.0]])
    labels = torch.tensor([1, 0])
    assert targets(logits, labels).tolist() == [[3, 2, 0], [2, 1, 3]]
    assert targets(torch.randn(2, 30), labels).shape == (2, 9)
    assert targets(logits, labels, 2).tolist() == [[3, 2], [2, 1]]


@pytest.mark.parametrize(("aims", "tries"), [(1, 1), (2, 2), (9, CLASSES - 1)])
def test_it_aims_at_as_many_classes_as_it_is_told(aims: int, tries: int) -> None:
    model = Scores(0)
    images, labels = task(model)
    outcome = run_fab(model, images, labels, spec("linf", 1e-4, steps=3, targets=aims))
    assert not outcome.broken.any()
    assert outcome.passes == COUNT * (1 + 2 * 3 * tries)
