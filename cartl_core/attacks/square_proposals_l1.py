"""The moves of the Square attack in l1 (Croce and Hein, "Mind the box", ICML 2021, arXiv 2103.01208).

They are those of the l2 search with every length taken in l1, and one way back into ball and box at once.
``shift`` is ours.

Everywhere: images and points (rows, C, H, W); numbers (rows, count), uniform in [0, 1), each row of one
image alone; returns points inside the ball cut with [0, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor

from cartl_core.attacks.norm_balls import BALLS
from cartl_core.attacks.square_proposals import bumps, pattern, places_mask, signs, window_places

DECADES = 2.0
"""A shift moves a pixel by the radius, or by the whole range where that is less, or down to so much less."""


def tiles(images: Tensor, eps: float, numbers: Tensor) -> Tensor:
    """The start: a grid of bumps, up or down, together of norm eps."""
    delta = bumps(images, numbers)
    length = delta.abs().sum((1, 2, 3), keepdim=True).clamp_min(torch.finfo(delta.dtype).tiny)
    return _inside(images, delta * (eps / length), eps)


def exchange(images: Tensor, point: Tensor, eps: float, side: int, numbers: Tensor) -> Tensor:
    """Empty one window and spend what that frees, and what was left, on another one, by a pattern."""
    rows, channels, height, width = images.shape
    spent_at = window_places(numbers[:, :2], side, height, width)
    freed_at = window_places(numbers[:, 2:4], side, height, width)
    delta = (point - images).flatten(2)

    unused = (eps - delta.abs().sum((1, 2))).clamp_min(0)
    either = places_mask(spent_at, height * width) | places_mask(freed_at, height * width)
    budget = (delta.abs() * either.unsqueeze(1)).sum(2) + unused.unsqueeze(1) / channels

    into = spent_at.unsqueeze(1).expand(-1, channels, -1)
    new = signs(numbers[:, 5:]).unsqueeze(2) * pattern(side, numbers[:, 4]).to(images).unsqueeze(1)
    new = _unit(_unit(new) + _unit(delta.gather(2, into))) * budget.unsqueeze(2)
    emptied = delta.scatter(2, freed_at.unsqueeze(1).expand(-1, channels, -1), 0.0)
    return _inside(images, emptied.scatter(2, into, new).view(rows, channels, height, width), eps)


def shift(images: Tensor, point: Tensor, eps: float, numbers: Tensor) -> Tensor:
    """One pixel of one channel moved up or down by a random amount, the others giving what it takes; ours."""
    delta = (point - images).flatten(1)
    size = delta.shape[1]
    at = (numbers[:, :1] * size).long().clamp(max=size - 1)
    amount = signs(numbers[:, 1:2]) * 10 ** (-DECADES * numbers[:, 2:3]) * min(eps, 1.0)
    return _inside(images, delta.scatter_add(1, at, amount).view_as(images), eps)


def _inside(images: Tensor, delta: Tensor, eps: float) -> Tensor:
    return BALLS["l1"].project(images + delta, BALLS["l1"].bounds(images, eps), eps)


def _unit(values: Tensor) -> Tensor:
    """Each channel (rows, channels, pixels) of l1 norm 1, or 0 where it is 0."""
    unit: Tensor = values / values.abs().sum(2, keepdim=True).clamp_min(torch.finfo(values.dtype).tiny)
    return unit
