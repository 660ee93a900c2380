"""Every attack in every norm with every loss, against what is known in closed form.

The model is linear: two classes decide, two more are always far below, in the middle between them, so
that every loss climbs along the same slope and the worst point of a ball is known exactly.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cartl_core.attacks import AttackOutcome, run_attack
from cartl_core.nn.rng import generator
from cartl_core.spec import AttackSpec
from cartl_core.spec.measures.attack import Norm

SHAPE = (2, 5, 4)
SIZE = 40
COUNT = 120
EPS = {"linf": 1 / 64, "l2": 0.12, "l1": 0.3}
NORMS = tuple(EPS)
ONE_PERCENT = 0.01


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


class Linear(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        draw = generator(seed, "linear")
        two = torch.randn(2, SIZE, generator=draw, dtype=torch.float64)
        middle = two.mean(0, keepdim=True)
        self.weight = nn.Parameter(torch.cat([two, middle, middle]))
        self.far = nn.Parameter(torch.tensor([0.0, 0.0, -30.0, -31.0], dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - 0.5) @ self.weight.T + self.far

    def slope(self, labels: Tensor) -> Tensor:
        """(N, SIZE): how the margin of the true class over the other one grows."""
        return (self.weight[labels] - self.weight[1 - labels]).detach()

    def margin(self, images: Tensor, labels: Tensor) -> Tensor:
        return (self.slope(labels) * (images.flatten(1) - 0.5)).sum(1)


def task(low: float, high: float, seed: int) -> tuple[Linear, Tensor, Tensor]:
    """Images that the model mostly gets right, some nearly wrong; at 0 and 1 where the range allows."""
    model, draw = Linear(seed), generator(seed, "images")
    images = torch.rand(COUNT, *SHAPE, generator=draw, dtype=torch.float64) * (high - low) + low
    if low == 0:
        images = images.where((images - 0.5).abs() < 0.4, images.round())
    labels = torch.randint(0, 2, (COUNT,), generator=draw)
    wrong = (model.margin(images, labels) < 0) & (torch.rand(COUNT, generator=draw) < 0.9)
    return model, images, torch.where(wrong, 1 - labels, labels)


def deepest(norm: str, slope: Tensor, images: Tensor, eps: float) -> Tensor:
    """(N,): how far a point of the ball cut with [0, 1] can lower the margin."""
    reach, room = slope.abs(), torch.where(slope < 0, 1 - images.flatten(1), images.flatten(1))
    if norm == "linf":
        return (reach * room.clamp(max=eps)).sum(1)
    if norm == "l1":  # a knapsack: the steepest pixels first, each up to its wall
        order = reach.argsort(dim=1, descending=True)
        rooms = room.gather(1, order)
        spent = rooms.cumsum(1) - rooms
        return (reach.gather(1, order) * torch.minimum((eps - spent).clamp(min=0), rooms)).sum(1)
    low, high = torch.zeros(len(slope), 1).double(), torch.full((len(slope), 1), 1e4).double()
    for _ in range(200):
        scale = (low + high) / 2
        over = torch.minimum(scale * reach, room).norm(dim=1, keepdim=True) > eps
        low, high = torch.where(over, low, scale), torch.where(over, scale, high)
    return (reach * torch.minimum(low * reach, room)).sum(1)


def length(norm: str, delta: Tensor) -> Tensor:
    order = {"linf": torch.inf, "l2": 2, "l1": 1}[norm]
    result: Tensor = torch.linalg.vector_norm(delta.flatten(1), ord=order, dim=1)
    return result


def attacked(model: nn.Module, images: Tensor, labels: Tensor, attack: AttackSpec) -> AttackOutcome:
    return run_attack(
        model, images, labels, attack, seed=0, label=attack.label, indices=torch.arange(len(images))
    )


def spec(name: str, norm: str, loss: str) -> AttackSpec:
    eps = EPS[norm]
    sizes: dict[str, dict[str, Any]] = {
        "pgd": {"step": eps / 8, "steps": 120 if norm == "l1" else 40},
        "apgd": {"steps": 100 if norm == "l1" else 50},
        "fab": {"steps": 60},
    }
    return AttackSpec.model_validate(
        {"label": name, "name": name, "norm": norm, "loss": loss, "eps": eps, **sizes[name]}
    )


KINDS = [
    *(("pgd", norm, loss) for norm in NORMS for loss in ("ce", "margin", "dlr")),
    *(("apgd", norm, loss) for norm in NORMS for loss in ("ce", "dlr", "targeted_dlr")),
    *(("fab", norm, "targeted_margin") for norm in NORMS),
]
DEEP = ("ce", "margin", "dlr")
"""Losses whose last image lies as deep as can be: FAB wants the boundary, and a targeted attack ends with a
class that never wins."""


@pytest.mark.parametrize(("low", "high"), [(0.25, 0.75), (0.0, 1.0)], ids=["inside", "at the walls"])
@pytest.mark.parametrize(("name", "norm", "loss"), KINDS)
def test_the_optimum_is_reached_within_one_percent(
    name: str, norm: str, loss: str, low: float, high: float
) -> None:
    model, images, labels = task(low, high, seed=3)
    attack = spec(name, norm, loss)
    margin = model.margin(images, labels)
    deep = deepest(norm, model.slope(labels), images, attack.eps)
    outcome = attacked(model, images, labels, attack)
    must_stand = margin > deep * (1 + 1e-6)
    must_fall = margin < deep * (1 - ONE_PERCENT)
    assert not (outcome.broken & must_stand).any()
    assert (outcome.broken | ~must_fall).all()
    assert (must_stand | must_fall).float().mean() > 0.95
    assert must_stand.sum() > 20, "some must stand"
    assert (must_fall & (margin > 0)).sum() > 5, "some must fall"
    if loss in DEEP:
        robust = ~outcome.broken
        gained = margin - model.margin(outcome.adversarial, labels)
        assert (gained[robust] >= (1 - ONE_PERCENT) * deep[robust]).all()
    gained = margin - model.margin(outcome.adversarial, labels)
    assert (gained <= deep * (1 + 1e-6) + 1e-12).all()
    assert (length(norm, outcome.adversarial - images) <= attack.eps * (1 + 1e-6)).all()
    assert outcome.adversarial.min() >= 0
    assert outcome.adversarial.max() <= 1


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("part", [0.2, 0.4, 0.6, 0.8, 1.3, 1.6])
@pytest.mark.parametrize(("name", "loss"), [("apgd", "targeted_dlr"), ("fab", "targeted_margin")])
def test_a_targeted_attack_breaks_what_can_be_broken(name: str, loss: str, norm: str, part: float) -> None:
    model, images, labels = task(0.0, 1.0, seed=4)
    attack = spec(name, norm, loss).model_copy(update={"eps": part * EPS[norm]})
    margin = model.margin(images, labels)
    deep = deepest(norm, model.slope(labels), images, attack.eps)
    outcome = attacked(model, images, labels, attack)
    assert not outcome.broken[margin > deep * (1 + 1e-6)].any()
    assert outcome.broken[margin < deep * (1 - ONE_PERCENT)].all()
    assert outcome.broken.any()
    assert not outcome.broken.all()


QUERIES = {"linf": 1_500, "l2": 7_000}
"""In Linf the optimum is a corner, and windows of one pixel set it sign by sign. In l2 the windows of the
published search stall at some 80 % here; what turns single pixels begins at query 5,000."""


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_black_box_comes_within_one_percent_of_the_optimum_and_never_beyond(norm: Norm) -> None:
    model, images, labels = task(0.25, 0.75, seed=3)
    images, labels = images[:30], labels[:30]
    attack = AttackSpec(
        label="s", name="square", norm=norm, loss="margin", eps=EPS[norm], steps=QUERIES[norm]
    )
    margin = model.margin(images, labels)
    deep = deepest(norm, model.slope(labels), images, attack.eps)
    outcome = attacked(model, images, labels, attack)
    gained = margin - model.margin(outcome.adversarial, labels)
    robust = ~outcome.broken
    assert not outcome.broken[margin > deep * (1 + 1e-6)].any()
    assert outcome.broken[margin < deep * (1 - ONE_PERCENT)].all()
    assert (gained <= deep * (1 + 1e-6)).all()
    assert (gained[robust] >= (1 - ONE_PERCENT) * deep[robust]).all(), (gained / deep)[robust]
    assert (length(norm, outcome.adversarial - images) <= attack.eps * (1 + 1e-6)).all()
    assert outcome.adversarial.min() >= 0
    assert outcome.adversarial.max() <= 1
    assert robust.sum() >= 8


@pytest.mark.parametrize("norm", NORMS)
def test_inside_the_box_the_dual_norm_decides(norm: str) -> None:
    """The closed form of this file against the text book's: robust where margin > eps * dual norm."""
    model, images, labels = task(0.25, 0.75, seed=5)
    eps = EPS[norm] / 4
    dual = {"linf": 1, "l2": 2, "l1": torch.inf}[norm]
    slope = model.slope(labels)
    expected = eps * torch.linalg.vector_norm(slope, ord=dual, dim=1)
    torch.testing.assert_close(deepest(norm, slope, images, eps), expected)
