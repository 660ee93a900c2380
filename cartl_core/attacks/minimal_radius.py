"""The smallest radius found at which each image is misclassified: one pass over a grid of rising radii.

An image that is misclassified at one radius counts at every larger one and is not attacked again, so that
the curve of robust accuracy over eps can only fall. Images that are still correct go on from where the
smaller radius ended, and from random points as well: each radius is at least as strong as a separate attack.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from cartl_core.attacks.attack_state import misclassified, packed
from cartl_core.attacks.losses import OBJECTIVES
from cartl_core.attacks.norm_balls import BALLS, LENGTHS
from cartl_core.attacks.pgd import run_pgd
from cartl_core.attacks.random_starts import AttackRandomness, random_starts
from cartl_core.nn.module_state import preserve_model_state
from cartl_core.spec.measures.attack import LARGEST_RADIUS, AttackSpec
from cartl_core.spec.measures.curve import CurveSpec


@dataclass
class _RadiusSearch:
    """State of the search over the radius grid; all tensors have N rows."""

    images: Tensor
    labels: Tensor
    indices: Tensor
    radius: Tensor
    """(N,) float64: the smallest radius that broke an image, infinite while it is still correct."""
    withstood: Tensor
    """(N,) float64: the largest radius of the grid that it withstood."""
    point: Tensor
    """(N, C, H, W): the adversarial example, or where the last radius ended."""

    def robust_rows(self) -> Tensor:
        return self.radius.isinf().nonzero().squeeze(1)


def minimal_radii(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    spec: CurveSpec,
    *,
    seed: int,
    indices: Tensor,
    label: str = "curve",
) -> Tensor:
    """The smallest radius found at which each of N images is misclassified.

    It bounds the image's minimal adversarial distance from above. Without ``spec.refine`` it is a radius
    of ``spec.eps``; with it, the length of the shortest perturbation found. It is the same however images
    are batched.

    Args:
        model: maps (N, C, H, W) in [0, 1] to logits.
        images: (N, C, H, W) in [0, 1].
        labels: (N,) int64, the true classes.
        seed: the job's seed.
        indices: (N,) positions of the images in their data set.
        label: what the random numbers are drawn for.

    Returns:
        (N,) float64 on the CPU, so that a radius of the grid is that very number: 0 where the model is
        wrong without an attack, infinite where the image is still correct at the last radius.
    """
    with preserve_model_state(model):
        with torch.no_grad():
            wrong = misclassified(model(images), labels)
        radius = torch.zeros(len(images), dtype=torch.float64, device=images.device)
        radius[~wrong] = torch.inf
        search = _RadiusSearch(
            images, labels, indices, radius, torch.zeros_like(radius), images.detach().clone()
        )
        for index in range(len(spec.eps)):
            if not len(search.robust_rows()):
                break
            _attack_radius(model, search, spec, index, seed, label)
        if spec.refine:
            _refine(model, search, spec)
    return search.radius.cpu()


def grid_attack(spec: CurveSpec, index: int, label: str = "curve") -> AttackSpec:
    """The attack at one radius of the grid; it begins at ``spec.restarts`` random points.

    No step is longer than the longest that an image has room for: few steps of a large radius would be.
    """
    eps = spec.eps[index]
    return AttackSpec(
        label=label,
        norm=spec.norm,
        loss=spec.loss,
        eps=eps,
        step=min(eps * spec.step_of_eps, LARGEST_RADIUS[spec.norm]),
        steps=spec.steps,
        restarts=spec.restarts,
    )


def grid_starts(
    spec: CurveSpec, index: int, restart: int, *, seed: int, label: str, indices: Tensor, like: Tensor
) -> Tensor:
    """(N, C, H, W): random perturbations at one radius, others at every radius; ``like`` has their shape."""
    return random_starts(
        like.shape[1:],
        spec.eps[index],
        seed=seed,
        label=label,
        restart=index * spec.restarts + restart,
        indices=indices,
        norm=spec.norm,
    )


def _attack_radius(
    model: nn.Module, search: _RadiusSearch, spec: CurveSpec, index: int, seed: int, label: str
) -> None:
    """Once from where the smaller radius ended, then from random points the images that are still correct."""
    attack = grid_attack(spec, index, label)
    rows = search.robust_rows()
    below = search.point[rows] - search.images[rows]
    onward = attack.model_copy(update={"restarts": 1})
    outcome = run_pgd(
        model, search.images[rows], search.labels[rows], onward, randomness=AttackRandomness(lambda _: below)
    )
    search.point[rows] = outcome.adversarial
    search.radius[rows[outcome.broken]] = attack.eps

    rows = search.robust_rows()
    if len(rows):
        drawn = partial(
            grid_starts, spec, index, seed=seed, label=label, indices=search.indices[rows.cpu()], like=below
        )
        outcome = run_pgd(
            model, search.images[rows], search.labels[rows], attack, randomness=AttackRandomness(drawn)
        )
        broken = rows[outcome.broken]
        search.point[broken] = outcome.adversarial[outcome.broken]
        search.radius[broken] = attack.eps
    search.withstood[search.robust_rows()] = attack.eps


def _refine(model: nn.Module, search: _RadiusSearch, spec: CurveSpec) -> None:
    """Bisect each broken image's radius between the last one it withstood and the one that broke it."""
    rows = (search.radius.isfinite() & (search.radius > 0)).nonzero().squeeze(1)
    if len(rows):
        search.radius[rows] = bisect(
            model,
            search.images[rows],
            search.labels[rows],
            spec,
            fooling=search.point[rows],
            withstood=search.withstood[rows],
            broken_at=search.radius[rows],
        )


def bisect(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    spec: CurveSpec,
    *,
    fooling: Tensor,
    withstood: Tensor,
    broken_at: Tensor,
) -> Tensor:
    """The length of the shortest perturbation found for each of N images, after ``spec.refine`` halvings.

    Every trial is a descent in the ball of the middle radius from the shortest perturbation so far, scaled
    into that ball; the model is left in the state that the caller put it in.

    Args:
        fooling: (N, C, H, W), misclassified, at most ``broken_at`` from the images.
        withstood: (N,) float64, radii at which nothing was found.
        broken_at: (N,) float64, radii at which ``fooling`` was.

    Returns:
        (N,) float64, at most ``broken_at``; below ``withstood`` where ``fooling`` was shorter already.
    """
    high = torch.minimum(broken_at, LENGTHS[spec.norm](fooling - images))
    low = torch.minimum(withstood, high)
    for _ in range(spec.refine):
        middle = (low + high) / 2
        start = images + _per_image(middle / high.clamp_min(torch.finfo(high.dtype).tiny)).to(images) * (
            fooling - images
        )
        fooled, point = _search(model, images, labels, spec, start, middle)
        fooling = torch.where(_per_image(fooled), point, fooling)
        found = torch.minimum(middle, LENGTHS[spec.norm](fooling - images))
        high, low = torch.where(fooled, found, high), torch.where(fooled, low, middle)
        low = torch.minimum(low, high)
    return high


def _search(
    model: nn.Module, images: Tensor, labels: Tensor, spec: CurveSpec, start: Tensor, radius: Tensor
) -> tuple[Tensor, Tensor]:
    """One descent, each image in a ball of its own: (N,) bool who is fooled, (N, C, H, W) by what."""
    ball, objective = BALLS[spec.norm], OBJECTIVES[spec.loss]
    within, step = radius.to(images).unsqueeze(1), _per_image(spec.step_of_eps * radius).to(images)
    bounds = ball.bounds(images, _per_image(radius).to(images))
    fooled = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    point = start.clone()
    where, iterate = torch.arange(len(images), device=images.device), ball.project(start, bounds, within)
    for taken in range(spec.steps + 1):
        iterate.requires_grad_(True)
        with torch.enable_grad():
            logits = model(iterate)
            total = objective(logits, labels[where]).sum()
        falls = misclassified(logits.detach(), labels[where]) & ~fooled[where]
        fooled[where[falls]] = True
        point[where[falls]] = iterate.detach()[falls]
        if taken == spec.steps or fooled[where].all():
            break
        (uphill,) = torch.autograd.grad(total, iterate)
        here = iterate.detach()
        iterate = ball.project(here + step * ball.steepest(uphill, here), bounds, within)
        if (rows := packed(~fooled[where])) is not None:
            where, iterate, step, within, *bounded = (
                part[rows] for part in (where, iterate, step, within, *bounds)
            )
            bounds = tuple(bounded)
    return fooled, point


def _per_image(values: Tensor) -> Tensor:
    """(N,) as (N, 1, 1, 1)."""
    return values.view(-1, 1, 1, 1)
