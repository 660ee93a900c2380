"""The grid of radii, against distances known in closed form and against attacks run apart."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cartl_core.attacks import minimal_radii, misclassified, run_attack
from cartl_core.attacks.minimal_radius import grid_attack, grid_starts
from cartl_core.attacks.pgd import run_pgd
from cartl_core.attacks.random_starts import AttackRandomness
from cartl_core.nn.rng import generator
from cartl_core.spec.measures.curve import CurveSpec

SHAPE = (2, 5, 4)
SIZE = 40
COUNT = 40
PACE = {"linf": (30, 0.1), "l2": (30, 0.1), "l1": (120, 0.125)}
"""Steps, and their size as a part of eps: sparse steps need more of them."""
DUAL = {"linf": 1, "l2": 2, "l1": torch.inf}
GRID = {
    "linf": (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.2),
    "l2": (0.02, 0.05, 0.1, 0.15, 0.2, 0.24),
    "l1": (0.05, 0.12, 0.24),
}
ROOM = 0.25
"""Pixels lie this far from 0 and 1: no wall bounds a perturbation that is shorter."""


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        draw = generator(5, "linear")
        self.weight = nn.Parameter(torch.randn(2, SIZE, generator=draw, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - 0.5) @ self.weight.T


class Bent(nn.Module):
    """Not linear, so that starts matter."""

    def __init__(self) -> None:
        super().__init__()
        draw = generator(6, "bent")
        self.first = nn.Parameter(torch.randn(24, SIZE, generator=draw))
        self.second = nn.Parameter(torch.randn(4, 24, generator=draw))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin((x.flatten(1) - 0.5) @ self.first.T) @ self.second.T


def linear_task(norm: str) -> tuple[Linear, Tensor, Tensor, Tensor]:
    """The model, images, labels and each image's exact distance: 0 where it is wrong from the start."""
    model, draw = Linear(), generator(7, "images")
    images = torch.rand(600, *SHAPE, generator=draw, dtype=torch.float64) * (1 - 2 * ROOM) + ROOM
    labels = torch.randint(0, 2, (600,), generator=draw)
    slope = (model.weight[labels] - model.weight[1 - labels]).detach()
    margin = (slope * (images.flatten(1) - 0.5)).sum(1)
    distance = margin.clamp_min(0) / torch.linalg.vector_norm(slope, ord=DUAL[norm], dim=1)
    near = (distance < GRID[norm][-1] * 0.95).nonzero().squeeze(1)
    wrong, right = near[distance[near] == 0][:8], near[distance[near] > 0][: COUNT - 8]
    chosen = torch.cat([wrong, right])
    return model, images[chosen], labels[chosen], distance[chosen]


def bent_task() -> tuple[Bent, Tensor, Tensor]:
    model, draw = Bent(), generator(8, "images")
    images = torch.rand(COUNT, *SHAPE, generator=draw)
    labels = model(images).argmax(1)
    labels[:5] = (labels[:5] + 1) % 4
    return model, images, labels


def spec(norm: str, **changed: object) -> CurveSpec:
    steps, step = PACE[norm]
    grid = {"norm": norm, "eps": GRID[norm], "expected_to": GRID[norm][-1]}
    return CurveSpec.model_validate({**grid, "steps": steps, "step_of_eps": step, **changed})


def radii(
    model: nn.Module, images: Tensor, labels: Tensor, curve: CurveSpec, indices: Tensor | None = None
) -> Tensor:
    where = torch.arange(len(images)) if indices is None else indices
    return minimal_radii(model, images, labels, curve, seed=3, indices=where)


def smallest_rung(distance: Tensor, grid: tuple[float, ...]) -> Tensor:
    radii = torch.tensor(grid, dtype=torch.float64)
    found = radii[(distance.unsqueeze(1) > radii).sum(1)]
    return found.masked_fill(distance == 0, 0)


@pytest.mark.parametrize("norm", GRID)
def test_the_rung_is_the_smallest_one_beyond_the_exact_distance(norm: str) -> None:
    model, images, labels, distance = linear_task(norm)
    found = radii(model, images, labels, spec(norm))
    # Within one percent below a radius an attack may just miss it.
    at_least, at_most = smallest_rung(distance, GRID[norm]), smallest_rung(distance * 1.01, GRID[norm])
    assert (found >= at_least - 1e-7).all()
    assert (found <= at_most + 1e-7).all()
    assert (at_least == at_most).float().mean() > 0.9, "the oracle decides nearly all"
    assert (found[distance == 0] == 0).all()
    assert len(found.unique()) > len(GRID[norm]) / 2, "several radii are seen"


@pytest.mark.parametrize("norm", GRID)
def test_refined_it_is_the_exact_distance_within_one_percent(norm: str) -> None:
    model, *parts = linear_task(norm)
    images, labels, distance = (part[:24] for part in parts)
    found = radii(model, images, labels, spec(norm, refine=8))
    assert (found >= distance * (1 - 1e-6)).all()
    assert (found <= distance * 1.01 + 1e-7).all()
    assert (found[distance == 0] == 0).all()


@pytest.mark.parametrize("norm", GRID)
def test_refining_never_makes_a_radius_larger(norm: str) -> None:
    model, images, labels = bent_task()
    coarse = radii(model, images, labels, spec(norm, steps=10))
    fine = radii(model, images, labels, spec(norm, steps=10, refine=3))
    assert (fine <= coarse).all()
    fell = coarse.isfinite() & (coarse > 0)
    assert fell.sum() > 10
    assert (fine < coarse)[fell].float().mean() > 0.7
    assert torch.equal(fine.isinf(), coarse.isinf())


@pytest.mark.parametrize("norm", GRID)
@pytest.mark.parametrize("refine", [0, 2])
def test_batching_changes_nothing(norm: str, refine: int) -> None:
    model, images, labels = bent_task()
    curve = spec(norm, refine=refine, steps=8)
    whole = radii(model.double(), images.double(), labels, curve)
    order = torch.randperm(COUNT, generator=generator(9, "order"))
    pieces = torch.empty_like(whole)
    for piece in order.split(7):
        pieces[piece] = radii(model, images[piece].double(), labels[piece], curve, indices=piece)
    assert torch.allclose(pieces, whole, rtol=1e-9, atol=0)


@pytest.mark.parametrize("norm", GRID)
def test_it_is_never_weaker_than_an_attack_of_that_radius_run_apart(norm: str) -> None:
    model, images, labels = bent_task()
    curve = spec(norm, steps=6, restarts=2)
    found = radii(model, images, labels, curve)
    apart = torch.zeros(COUNT, dtype=torch.bool)
    stronger = 0
    for index, eps in enumerate(curve.eps):

        def starts(restart: int, index: int = index) -> Tensor:
            return grid_starts(
                curve, index, restart, seed=3, label="curve", indices=torch.arange(COUNT), like=images
            )

        apart |= run_pgd(
            model, images, labels, grid_attack(curve, index), randomness=AttackRandomness(starts)
        ).broken
        by_the_ladder = found <= eps
        assert (by_the_ladder | ~apart).all()
        stronger += int((by_the_ladder & ~apart).sum())
    assert apart.float().mean() > 0.3
    assert stronger > 0, "going on from the smaller radius finds what random starts alone do not"


def test_two_steps_may_climb_to_the_largest_radius() -> None:
    """Each step would be a quarter longer than the image has room for."""
    model, images, labels = bent_task()
    curve = spec("linf", eps=(0.001, 1.0), steps=2, step_of_eps=1.25, expected_to=1.0)
    found = radii(model, images, labels, curve)
    assert set(found.tolist()) == {0.0, 0.001, 1.0}


def test_what_falls_within_a_radius_is_within_it_for_certain() -> None:
    """The refined radius belongs to a perturbation that exists: an attack of that radius finds one."""
    model, images, labels = bent_task()
    curve = spec("linf", refine=3)
    found = radii(model, images, labels, curve)
    for row in (found.isfinite() & (found > 0)).nonzero().squeeze(1)[:6].tolist():
        strong = grid_attack(curve, 0).model_copy(
            update={
                "eps": float(found[row]) * 1.001,
                "step": float(found[row]) / 10,
                "steps": 200,
                "restarts": 5,
            }
        )
        one = slice(row, row + 1)
        outcome = run_attack(
            model, images[one], labels[one], strong, seed=0, label="again", indices=torch.tensor([row])
        )
        assert outcome.broken.all()


def test_broken_images_are_attacked_at_no_larger_radius() -> None:
    model, images, labels = bent_task()
    seen: list[int] = []
    model.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    easy, steps = (1.0,), 5
    minimal_radii(
        model,
        images,
        labels,
        spec("linf", eps=easy, expected_to=1.0, steps=steps),
        seed=0,
        indices=torch.arange(COUNT),
    )
    alone = sum(seen)
    seen.clear()
    more = (1.0 - 1e-9, 1.0)
    minimal_radii(
        model,
        images,
        labels,
        spec("linf", eps=more, expected_to=1.0, steps=steps),
        seed=0,
        indices=torch.arange(COUNT),
    )
    assert sum(seen) - alone < 0.2 * alone


def test_another_seed_or_label_draws_other_starts() -> None:
    indices, like = torch.arange(3), torch.zeros(3, *SHAPE)
    curve = spec("linf", restarts=2)

    def drawn(index: int, restart: int, seed: int = 0, label: str = "curve") -> Tensor:
        return (
            grid_starts(curve, index, restart, seed=seed, label=label, indices=indices, like=like)
            / curve.eps[index]
        )

    base = drawn(0, 0)
    for other in (drawn(0, 1), drawn(1, 0), drawn(1, 1), drawn(0, 0, seed=1), drawn(0, 0, label="other")):
        assert not torch.allclose(base, other)
    assert torch.equal(base, drawn(0, 0))


def test_the_model_is_left_as_it_was_and_so_are_the_images() -> None:
    model, images, labels = bent_task()
    model.train()
    before, kept = [parameter.clone() for parameter in model.parameters()], images.clone()
    minimal_radii(model, images, labels, spec("l2", refine=1, steps=3), seed=0, indices=torch.arange(COUNT))
    assert model.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))
    assert torch.equal(images, kept)


def test_a_model_that_says_nothing_but_its_gradient_is_gone_stands_to_the_end() -> None:
    class Deaf(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([torch.ones(len(x)), torch.zeros(len(x))], 1) + 0 * x.sum()

    labels = torch.tensor([0, 0, 1])
    images = torch.rand(3, *SHAPE, generator=generator(0, "x"))
    found = radii(Deaf(), images, labels, spec("linf", refine=2))
    assert found.tolist() == [torch.inf, torch.inf, 0.0]


def test_logits_that_are_no_numbers_count_as_wrong() -> None:
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1)[:, :2] * torch.nan

    images = torch.rand(2, *SHAPE)
    assert misclassified(Broken()(images), torch.zeros(2, dtype=torch.long)).all()
    assert radii(Broken(), images, torch.zeros(2, dtype=torch.long), spec("linf")).tolist() == [0, 0]
