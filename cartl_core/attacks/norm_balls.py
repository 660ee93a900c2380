"""What differs between norms: where an attack may start, which way is up, and the way back.

``BALLS`` has a row a norm. Everywhere: gradients and points are (N, C, H, W), images in [0, 1], a ball
is that of one image cut with [0, 1]. A gradient that is not a number moves nothing.

Sources: random points: Barthe et al., Annals of Probability 33 (2005). The sparse step in l1: Tramer and
Boneh, NeurIPS 2019, arXiv 1904.13000. Projecting onto ball and box at once, not one after the other:
Croce and Hein, "Mind the box", ICML 2021, arXiv 2103.01208; the ways to compute it here are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from cartl_core.spec.measures.attack import Norm

L1_SHARE = 0.05
"""Part of the coordinates that one l1 step moves, at least one coordinate."""
HALVINGS = 32
CLIPPINGS = 16

Radius = float | Tensor
"""Of all balls, or of each image its own: (N, 1, 1, 1) for bounds, (N, 1) for the way back."""

Bounds = tuple[Tensor, ...]
"""What a ball needs to know of its images, each (N, C, H, W): made once, rows picked as samples leave."""


@dataclass(frozen=True)
class Ball:
    """The moves of an attack in one norm."""

    draw: Callable[[Tensor, float, torch.Generator], None]
    """Fills one perturbation (C, H, W) with a uniform draw from the ball of this radius."""
    bounds: Callable[[Tensor, Radius], Bounds]
    """Of images and a radius."""
    steepest: Callable[[Tensor, Tensor], Tensor]
    """Of a gradient and the point it was taken at: the direction of norm 1 to go, or none."""
    project: Callable[[Tensor, Bounds, Radius], Tensor]
    """A point brought back into the ball cut with [0, 1]: to the nearest point of it."""


def _fill_linf(row: Tensor, eps: float, generator: torch.Generator) -> None:
    row.uniform_(-eps, eps, generator=generator)


def _box(images: Tensor, eps: Radius) -> Bounds:
    """Lowest and highest allowed pixel: the eps ball and [0, 1] folded into one box."""
    return (images - eps).clamp(0.0, 1.0), (images + eps).clamp(0.0, 1.0)


def _sign(gradient: Tensor, _: Tensor) -> Tensor:
    direction: Tensor = gradient.sign().nan_to_num_(nan=0.0)
    return direction


def _into_the_box(point: Tensor, bounds: Bounds, _: Radius) -> Tensor:
    low, high = bounds
    return torch.clamp(point, low, high)


def _fill_l2(row: Tensor, eps: float, generator: torch.Generator) -> None:
    row.normal_(generator=generator)
    beyond = torch.empty(1).exponential_(generator=generator)
    row.mul_(eps / (row.square().sum() + 2 * beyond).sqrt())


def _images_alone(images: Tensor, _: Radius) -> Bounds:
    return (images,)


def _unit(gradient: Tensor, _: Tensor) -> Tensor:
    flat = _scaled(gradient)
    length = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
    unit: Tensor = (flat / length.clamp_min(_tiny(flat))).view_as(gradient)
    return unit


def _into_l2(point: Tensor, bounds: Bounds, eps: Radius) -> Tensor:
    """The nearest point is clip(t * wish) for the largest t <= 1 of norm at most eps.

    t is raised to what the norm would be if only the pixels clipped so far were clipped; it never
    overshoots, so that stopping early is still inside.
    """
    (images,) = bounds
    wish, length, room = _wish(point, images)
    share = (eps / torch.linalg.vector_norm(length, dim=1, keepdim=True).clamp_min(_tiny(wish))).clamp(max=1)
    clipped = share * length >= room
    for _ in range(CLIPPINGS):
        spent = (room * clipped).square().sum(1, keepdim=True)
        free = (length * ~clipped).square().sum(1, keepdim=True).clamp_min(_tiny(wish))
        raised = ((eps**2 - spent).clamp_min(0) / free).sqrt().clamp(max=1)
        share = torch.maximum(share, raised)
        now = share * length >= room
        if torch.equal(now, clipped):
            break
        clipped = now
    return _moved(images, wish, torch.minimum(share * length, room))


def _fill_l1(row: Tensor, eps: float, generator: torch.Generator) -> None:
    row.exponential_(generator=generator)
    beyond = torch.empty(1).exponential_(generator=generator)
    share = eps / (row.sum() + beyond)
    signs = torch.empty_like(row).uniform_(-1, 1, generator=generator)
    row.mul_(share).copysign_(signs)


def _sparse(gradient: Tensor, point: Tensor) -> Tensor:
    """The largest entries that the box leaves room for, in their own proportions, of sum 1.

    The source steps by equal amounts; keeping the proportions lets the mass move on to the steepest
    coordinates, so that on a linear model the optimum itself is reached. Steeper coordinates at their
    wall go on pressing against it, or the projection would take from them what they have.
    """
    flat, at = _scaled(gradient), point.flatten(1)
    size = flat.abs()
    stuck = ((flat > 0) & (at >= 1)) | ((flat < 0) & (at <= 0))
    top = size.masked_fill(stuck, 0).topk(ceil(L1_SHARE * flat.shape[1]), dim=1)
    pressing = size * (stuck & (size >= top.values[:, -1:]))
    total = top.values.sum(1, keepdim=True)
    weights = pressing.scatter(1, top.indices, top.values) / total.clamp_min(_tiny(flat))
    return (weights * (total > 0)).copysign(flat).view_as(gradient)


def _into_l1(point: Tensor, bounds: Bounds, eps: Radius) -> Tensor:
    """The nearest point is clip(shrink(wish, c)) for the smallest c >= 0 of norm at most eps.

    c is halved in on from above, so that what is left of the interval is still inside.
    """
    (images,) = bounds
    wish, length, room = _wish(point, images)
    inside = torch.minimum(length, room).sum(1, keepdim=True) <= eps
    low = torch.zeros_like(length[:, :1])
    high = length.amax(1, keepdim=True)
    for _ in range(0 if inside.all() else HALVINGS):
        middle = (low + high) / 2
        over = torch.minimum((length - middle).clamp_min(0), room).sum(1, keepdim=True) > eps
        low, high = torch.where(over, middle, low), torch.where(over, high, middle)
    cut = high.masked_fill(inside, 0)
    return _moved(images, wish, torch.minimum((length - cut).clamp_min(0), room))


def _wish(point: Tensor, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Flat: where to, how far, and how far the wall of [0, 1] is in that direction."""
    wish = (point - images).flatten(1)
    flat = images.flatten(1)
    return wish, wish.abs(), torch.where(wish > 0, 1 - flat, flat)


def _moved(images: Tensor, wish: Tensor, length: Tensor) -> Tensor:
    return (images + length.copysign(wish).view_as(images)).clamp(0.0, 1.0)


def _scaled(gradient: Tensor) -> Tensor:
    """Flat, finite, the largest entry 1: squares of tiny gradients would vanish."""
    flat: Tensor = gradient.flatten(1).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    return flat / flat.abs().amax(1, keepdim=True).clamp_min(_tiny(flat))


def _tiny(values: Tensor) -> float:
    return torch.finfo(values.dtype).tiny


BALLS: dict[Norm, Ball] = {
    "linf": Ball(_fill_linf, _box, _sign, _into_the_box),
    "l2": Ball(_fill_l2, _images_alone, _unit, _into_l2),
    "l1": Ball(_fill_l1, _images_alone, _sparse, _into_l1),
}


def _length(order: float) -> Callable[[Tensor], Tensor]:
    def of(perturbation: Tensor) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(perturbation.flatten(1).double(), ord=order, dim=1)
        return length

    return of


LENGTHS: dict[Norm, Callable[[Tensor], Tensor]] = {
    "linf": _length(torch.inf),
    "l2": _length(2),
    "l1": _length(1),
}
"""Of perturbations (N, C, H, W): how long each is, (N,) float64."""
