"""How far each image must be moved until it falls: one pass over rising radii, a rung each.

What fell on a lower rung has fallen on every higher one and is not attacked again, so that the curve of
robust accuracy over eps can only fall. What stands goes on from where the lower rung ended, and from
random points as well: on each rung it meets at least what a separate attack of that radius would do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from cartl_core.attacks.attack_state import misclassified, packed
from cartl_core.attacks.losses import OBJECTIVES
from cartl_core.attacks.norm_balls import BALLS, LENGTHS
from cartl_core.attacks.pgd import pgd
from cartl_core.attacks.random_starts import random_starts
from cartl_core.nn.module_state import preserve_model_state
from cartl_core.spec.attack import LARGEST_RADIUS, AttackSpec
from cartl_core.spec.curve import CurveSpec


@dataclass
class _Climb:
    """Images on their way up the ladder; all tensors have N rows."""

    images: Tensor
    labels: Tensor
    indices: Tensor
    radius: Tensor
    """(N,) float64: where an image fell, infinite while it stands."""
    held: Tensor
    """(N,) float64: the highest rung that it withstood."""
    point: Tensor
    """(N, C, H, W): where it fell, or where the last rung ended."""

    def standing(self) -> Tensor:
        return self.radius.isinf().nonzero().squeeze(1)


def break_radii(
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
        wrong without an attack, infinite where the image stands at the last radius.
    """
    with preserve_model_state(model):
        with torch.no_grad():
            wrong = misclassified(model(images), labels)
        radius = torch.zeros(len(images), dtype=torch.float64, device=images.device)
        radius[~wrong] = torch.inf
        climb = _Climb(images, labels, indices, radius, torch.zeros_like(radius), images.detach().clone())
        for rung in range(len(spec.eps)):
            if not len(climb.standing()):
                break
            _rung(model, climb, spec, rung, seed, label)
        if spec.refine:
            _refine(model, climb, spec)
    return climb.radius.cpu()


def rung_attack(spec: CurveSpec, rung: int, label: str = "curve") -> AttackSpec:
    """What one rung is: an attack of its radius that begins at ``spec.restarts`` random points.

    No step is longer than the longest that an image has room for: few steps of a large radius would be.
    """
    eps = spec.eps[rung]
    return AttackSpec(
        label=label,
        norm=spec.norm,
        loss=spec.loss,
        eps=eps,
        step=min(eps * spec.step_of_eps, LARGEST_RADIUS[spec.norm]),
        steps=spec.steps,
        restarts=spec.restarts,
    )


def rung_starts(
    spec: CurveSpec, rung: int, restart: int, *, seed: int, label: str, indices: Tensor, like: Tensor
) -> Tensor:
    """(N, C, H, W): random perturbations of one rung, other ones on every rung; ``like`` has their shape."""
    return random_starts(
        like.shape[1:],
        spec.eps[rung],
        seed=seed,
        label=label,
        restart=rung * spec.restarts + restart,
        indices=indices,
        norm=spec.norm,
    )


def _rung(model: nn.Module, climb: _Climb, spec: CurveSpec, rung: int, seed: int, label: str) -> None:
    """Once from where the rung below ended, then from random points what still stands."""
    attack = rung_attack(spec, rung, label)
    rows = climb.standing()
    below = climb.point[rows] - climb.images[rows]
    onward = attack.model_copy(update={"restarts": 1})
    outcome = pgd(model, climb.images[rows], climb.labels[rows], onward, starts=lambda _: below)
    climb.point[rows] = outcome.adversarial
    climb.radius[rows[outcome.broken]] = attack.eps

    rows = climb.standing()
    if len(rows):
        drawn = partial(
            rung_starts, spec, rung, seed=seed, label=label, indices=climb.indices[rows.cpu()], like=below
        )
        outcome = pgd(model, climb.images[rows], climb.labels[rows], attack, starts=drawn)
        fallen = rows[outcome.broken]
        climb.point[fallen] = outcome.adversarial[outcome.broken]
        climb.radius[fallen] = attack.eps
    climb.held[climb.standing()] = attack.eps


def _refine(model: nn.Module, climb: _Climb, spec: CurveSpec) -> None:
    """Each fallen image's radius, between the last rung that it withstood and the one where it fell."""
    rows = (climb.radius.isfinite() & (climb.radius > 0)).nonzero().squeeze(1)
    if len(rows):
        climb.radius[rows] = bisect(
            model,
            climb.images[rows],
            climb.labels[rows],
            spec,
            fooling=climb.point[rows],
            held=climb.held[rows],
            fallen=climb.radius[rows],
        )


def bisect(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    spec: CurveSpec,
    *,
    fooling: Tensor,
    held: Tensor,
    fallen: Tensor,
) -> Tensor:
    """The length of the shortest perturbation found for each of N images, after ``spec.refine`` halvings.

    Every trial is a descent in the ball of the middle radius from the shortest perturbation so far, scaled
    into that ball; the model is left in the state that the caller put it in.

    Args:
        fooling: (N, C, H, W), misclassified, at most ``fallen`` from the images.
        held: (N,) float64, radii at which nothing was found.
        fallen: (N,) float64, radii at which ``fooling`` was.

    Returns:
        (N,) float64, at most ``fallen``; below ``held`` where ``fooling`` was shorter than that already.
    """
    high = torch.minimum(fallen, LENGTHS[spec.norm](fooling - images))
    low = torch.minimum(held, high)
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
    fence = ball.fence(images, _per_image(radius).to(images))
    fooled = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    point = start.clone()
    where, iterate = torch.arange(len(images), device=images.device), ball.project(start, fence, within)
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
        iterate = ball.project(here + step * ball.steepest(uphill, here), fence, within)
        if (rows := packed(~fooled[where])) is not None:
            where, iterate, step, within, *fenced = (
                part[rows] for part in (where, iterate, step, within, *fence)
            )
            fence = tuple(fenced)
    return fooled, point


def _per_image(values: Tensor) -> Tensor:
    """(N,) as (N, 1, 1, 1)."""
    return values.view(-1, 1, 1, 1)
