"""The public attacks: what they say of an attack whose outcome is known, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cartl_core.attacks import AttackOutcome, apgd, fab, pgd, run_attack, square
from cartl_core.errors import ArgumentInvalid, SpecError
from cartl_core.spec import AttackSpec
from tests.fixtures.attacked import data, small_net

EPS = 0.1
ATTACKS: dict[str, Callable[..., AttackOutcome]] = {"pgd": pgd, "apgd": apgd, "fab": fab, "square": square}
SHORT: dict[str, dict[str, Any]] = {
    "pgd": {"steps": 20, "norm": "linf"},
    "apgd": {"steps": 20},
    "fab": {"steps": 20},
    "square": {"steps": 100},
}


def linear() -> nn.Module:
    """Two classes, 1 x 2 x 2 pixels: class 0 where the mean of the pixels is above one half."""
    layer = nn.Linear(4, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0] * 4, [-1.0] * 4]))
        layer.bias.copy_(torch.tensor([-2.0, 2.0]))
    return nn.Sequential(nn.Flatten(), layer)


def greys(*values: float) -> Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).contiguous()


IMAGES = greys(0.1, 0.45, 0.55, 0.9)
LABELS = torch.tensor([1, 1, 0, 0])


@pytest.mark.parametrize("name", ATTACKS)
def test_what_lies_within_eps_of_the_boundary_is_broken(name: str) -> None:
    outcome = ATTACKS[name](linear(), IMAGES, LABELS, eps=EPS, **SHORT[name])
    assert outcome.broken.tolist() == [False, True, True, False]
    assert float((outcome.adversarial - IMAGES).abs().max()) <= EPS + 1e-6
    assert str(outcome) == f"2 of 4 broken, {outcome.passes:,} forward passes"


def test_an_outcome_says_its_counts() -> None:
    broken = torch.tensor([True, True, False, True])
    none, one = torch.zeros(4, dtype=torch.bool), torch.tensor([True, False, False, False])
    assert str(AttackOutcome(broken, IMAGES, 41, none)) == "3 of 4 broken, 41 forward passes"
    said = "3 of 4 broken (1 with logits that are not finite), 41 forward passes"
    assert str(AttackOutcome(broken, IMAGES, 41, one)) == said


@pytest.mark.parametrize("name", ATTACKS)
def test_a_plain_function_is_attacked_like_the_module(name: str) -> None:
    model = linear()
    first = ATTACKS[name](model, IMAGES, LABELS, eps=EPS, **SHORT[name])
    second = ATTACKS[name](lambda x: model(x), IMAGES, LABELS, eps=EPS, **SHORT[name])
    assert torch.equal(first.adversarial, second.adversarial)


@pytest.mark.parametrize("name", ATTACKS)
def test_the_seed_alone_decides_and_nothing_of_the_caller_changes(name: str) -> None:
    model = small_net().train()
    images, labels = data(model, count=12)
    model.train()
    next(model.parameters()).grad = torch.ones_like(next(model.parameters()))
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = ATTACKS[name](model, images, labels, eps=0.02, seed=3, **SHORT[name])
    torch.manual_seed(2)
    again = ATTACKS[name](model, images, labels, eps=0.02, seed=3, **SHORT[name])
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)
    ATTACKS[name](model, images, labels, eps=0.02, seed=3, **SHORT[name])
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.adversarial, again.adversarial)
    assert first.passes == again.passes
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())
    weight = next(model.parameters())
    assert weight.grad is not None
    assert torch.equal(weight.grad, torch.ones_like(weight))
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())
    assert not images.requires_grad


@pytest.mark.parametrize("name", ["pgd", "apgd", "square"])
def test_another_seed_is_another_attack(name: str) -> None:
    model = small_net()
    images, labels = data(model, count=12)
    outcomes = [ATTACKS[name](model, images, labels, eps=0.005, seed=seed, **SHORT[name]) for seed in (0, 1)]
    assert not torch.equal(outcomes[0].adversarial, outcomes[1].adversarial)


def test_pgd_is_the_attack_that_jobs_run() -> None:
    model = small_net()
    images, labels = data(model)
    spec = AttackSpec(label="pgd", eps=0.05, step=0.0125, steps=10, restarts=2)
    expected = run_attack(model, images, labels, spec, seed=5, label="pgd", indices=torch.arange(len(images)))
    outcome = pgd(model, images, labels, eps=0.05, steps=10, restarts=2, seed=5)
    assert torch.equal(outcome.adversarial, expected.adversarial)
    assert 0 < int(outcome.broken.sum()) < len(images)


def test_eps_zero_breaks_what_is_wrong_alone() -> None:
    for name, attack in ATTACKS.items():
        outcome = attack(linear(), IMAGES, torch.tensor([1, 0, 0, 0]), eps=0.0, **SHORT[name])
        assert outcome.broken.tolist() == [False, True, False, False], name


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "images beyond one": ({"x": IMAGES * 2}, r"x: has values from 0.2 to 1.8; allowed: finite values in \["),
    "not a number": ({"x": IMAGES * float("nan")}, "x: has values from nan"),
    "bytes": ({"x": (IMAGES * 255).to(torch.uint8)}, "x: has dtype torch.uint8; allowed: torch.float32"),
    "flat images": ({"x": IMAGES.flatten(1)}, r"x: has shape \(4, 4\); allowed: \(N, C, H, W\)"),
    "no images": ({"x": IMAGES[:0]}, r"x: has shape \(0, 1, 2, 2\)"),
    "a list": ({"x": [0.1]}, "x: is a list"),
    "too few labels": ({"y": LABELS[:2]}, r"y: has shape \(2,\); allowed: \(4,\)"),
    "labels of floats": ({"y": LABELS.float()}, "y: has dtype torch.float32; allowed: torch.int64"),
    "a label too high": ({"y": LABELS + 1}, "y: has labels from 1 to 2; allowed: 0 to 1"),
    "a label below 0": ({"y": LABELS - 1}, "y: has labels from -1 to 0; allowed: 0 to 1"),
    "eps below 0": ({"eps": -0.1}, "eps: -0.1 is no radius in linf; allowed: 0 to 1"),
    "eps too large": ({"eps": 8}, "eps: 8 is no radius in linf; allowed: 0 to 1"),
    "eps infinite": ({"eps": float("inf")}, "eps: inf is no radius"),
    "no such norm": ({"norm": "l3"}, "norm: 'l3' is no norm; allowed: linf, l2, l1"),
    "no steps": ({"steps": 0}, "steps: it must be at least 1; allowed: integer, 1 to 10000"),
    "part of a step": ({"steps": 1.5}, "steps: a whole number is expected"),
    "no restarts": ({"restarts": 0}, "restarts: "),
    "seed below 0": ({"seed": -1}, "seed: -1 is no seed"),
    "too few classes": ({"loss": "dlr"}, "loss: dlr needs 3 classes, not 2"),
    "no such loss": ({"loss": "hinge"}, "loss: "),
    "the same again": ({"restarts": 2, "random_start": False}, "restarts: 2 restarts from the image itself"),
    "no model": ({"model": 3}, "model: int cannot be called"),
    "no logits": ({"model": lambda x: x}, r"model: returns torch.float32 of shape \(1, 1, 2, 2\)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_named_with_what_is_allowed(case: str) -> None:
    changes, says = WRONG[case]
    arguments = {"model": linear(), "x": IMAGES, "y": LABELS, "eps": EPS, **changes}
    model, x, y = (arguments.pop(name) for name in ("model", "x", "y"))
    with pytest.raises(ArgumentInvalid, match=says) as raised:
        pgd(model, x, y, **arguments)
    assert isinstance(raised.value, SpecError)
    assert isinstance(raised.value, ValueError)


def test_a_norm_that_no_attack_knows_is_refused() -> None:
    with pytest.raises(ArgumentInvalid, match=r"norm: 'l0' is no norm; allowed: linf, l2, l1"):
        ATTACKS["fab"](linear(), IMAGES, LABELS, eps=EPS, norm="l0")
