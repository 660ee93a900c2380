"""The radius of each image's own ball halved in on: what withstood below, what fell above."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cartl_core.attacks.balls import BALLS, LENGTHS
from cartl_core.attacks.objectives import OBJECTIVES
from cartl_core.attacks.pursuit import misclassified, packed
from cartl_core.curve_spec import CurveSpec


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
