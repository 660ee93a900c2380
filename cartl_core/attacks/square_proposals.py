"""The moves of the Square attack (arXiv 1912.00049): Linf, section 3 and algorithm 2; l2, algorithm 3,
and ``turn``, which is ours.

Everywhere: images and points (rows, C, H, W); numbers (rows, count), uniform in [0, 1), each row of one
image alone; returns points inside the ball cut with [0, 1].
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

GRID = 5
"""Tiles along a side of the l2 start."""
LARGEST_TURN, DECADES = 3.0, 2.0
"""Of one pixel, against the share that each would have if all had the same; and down to how much less."""


def stripes_count(images: Tensor) -> int:
    """A sign for each channel and column."""
    return images.shape[1] * images.shape[3]


def stripes(images: Tensor, eps: float, numbers: Tensor) -> Tensor:
    """The Linf start: vertical stripes, one pixel wide, of plus or minus eps."""
    stripe = signs(numbers).view(len(images), images.shape[1], 1, images.shape[3])
    return (images + eps * stripe).clamp(0, 1)


def any_side(side: int) -> int:
    """A window of the Linf search: one pixel at least."""
    return max(side, 1)


def window_count(images: Tensor) -> int:
    """A place and a sign for each channel."""
    return 2 + images.shape[1]


def window(images: Tensor, point: Tensor, eps: float, side: int, numbers: Tensor) -> Tensor:
    """A window of the Linf ball's surface: in each channel plus or minus eps all over it."""
    height, width = images.shape[2:]
    inside = places_mask(window_places(numbers[:, :2], side, height, width), height * width)
    way = signs(numbers[:, 2:]).view(len(images), -1, 1, 1)
    changed = (images + eps * way).clamp(0, 1)
    return torch.where(inside.view(len(images), 1, height, width), changed, point)


def tiles_count(images: Tensor) -> int:
    """A sign for each channel and tile."""
    height, width = images.shape[2:]
    side = _tile_side(height, width)
    return images.shape[1] * (height // side) * (width // side)


def tiles(images: Tensor, eps: float, numbers: Tensor) -> Tensor:
    """The l2 start: a grid of bumps, up or down, together of norm eps."""
    return _of_norm(images, bumps(images, numbers), eps)


def bumps(images: Tensor, numbers: Tensor) -> Tensor:
    """(rows, C, H, W): a grid of bumps, up or down; what the grid leaves at the edges is 0."""
    rows, channels, height, width = images.shape
    side = _tile_side(height, width)
    down, across = height // side, width // side
    ways = signs(numbers).view(rows, channels, down, across)
    bump = _bump(side, side).to(images)
    grid = torch.kron(ways, bump.view(1, 1, side, side))
    top, left = (height - down * side) // 2, (width - across * side) // 2
    delta: Tensor = torch.nn.functional.pad(
        grid, (left, width - across * side - left, top, height - down * side - top)
    )
    return delta


def odd_side(side: int) -> int:
    """A window of the l2 search has a middle: three pixels, five, and so on."""
    return max(side, 3) // 2 * 2 + 1


def exchange_count(images: Tensor) -> int:
    """Two places, which way the pattern lies, and a sign for each channel."""
    return 5 + images.shape[1]


def exchange(images: Tensor, point: Tensor, eps: float, side: int, numbers: Tensor) -> Tensor:
    """Empty one window and spend what that frees, and what was left, on another one, by a pattern."""
    _, channels, height, width = images.shape
    spent_at = window_places(numbers[:, :2], side, height, width)
    freed_at = window_places(numbers[:, 2:4], side, height, width)
    delta = (point - images).flatten(2)

    unused = (eps**2 - delta.square().sum((1, 2))).clamp_min(0)
    either = places_mask(spent_at, height * width) | places_mask(freed_at, height * width)
    budget = ((delta.square() * either.unsqueeze(1)).sum(2) + unused.unsqueeze(1) / channels).sqrt()

    into = spent_at.unsqueeze(1).expand(-1, channels, -1)
    old = delta.gather(2, into)
    new = signs(numbers[:, 5:]).unsqueeze(2) * pattern(side, numbers[:, 4]).to(images).unsqueeze(1)
    new = _unit(_unit(new) + _unit(old)) * budget.unsqueeze(2)
    delta = delta.scatter(2, freed_at.unsqueeze(1).expand(-1, channels, -1), 0.0).scatter(2, into, new)
    return _of_norm(images, delta.view_as(images), eps)


def turn(images: Tensor, point: Tensor, eps: float, numbers: Tensor) -> Tensor:
    """One pixel of one channel moved up or down by a random amount, the others giving what it takes; ours."""
    delta = (point - images).flatten(1)
    size = delta.shape[1]
    at = (numbers[:, :1] * size).long().clamp(max=size - 1)
    amount = signs(numbers[:, 1:2]) * 10 ** (-DECADES * numbers[:, 2:3]) * LARGEST_TURN * eps / size**0.5
    return _of_norm(images, delta.scatter_add(1, at, amount).view_as(images), eps)


def signs(numbers: Tensor) -> Tensor:
    """1 or -1 for each number."""
    return torch.where(numbers < 0.5, -1.0, 1.0).to(numbers)


def window_places(numbers: Tensor, side: int, height: int, width: int) -> Tensor:
    """(rows, side * side): flat pixels of a window anywhere in the image. numbers: (rows, 2)."""
    top = (numbers[:, 0] * (height - side + 1)).long().clamp(max=height - side)
    left = (numbers[:, 1] * (width - side + 1)).long().clamp(max=width - side)
    along = torch.arange(side, device=numbers.device)
    down = (top.unsqueeze(1) + along) * width
    across = left.unsqueeze(1) + along
    return (down.unsqueeze(2) + across.unsqueeze(1)).flatten(1)


def places_mask(places: Tensor, pixels: int) -> Tensor:
    """(rows, pixels) bool."""
    nowhere = torch.zeros(len(places), pixels, dtype=torch.bool, device=places.device)
    return nowhere.scatter(1, places, True)


def pattern(side: int, numbers: Tensor) -> Tensor:
    """(rows, side * side): a bump beside a hollow, lying or standing."""
    half = side // 2
    standing = torch.cat([_bump(side, half), -_bump(side, side - half)], dim=1)
    both = torch.stack([standing, standing.T]).flatten(1)
    chosen: Tensor = both[(numbers < 0.5).long().cpu()]
    return chosen


@cache
def _bump(height: int, width: int) -> Tensor:
    """(height, width): equation 2, a hill that falls off from its middle in rings."""
    middle = height // 2
    rows = (torch.arange(height, dtype=torch.float64) - middle).abs().view(-1, 1)
    columns = (torch.arange(width, dtype=torch.float64) - width // 2).abs().view(1, -1)
    ring = (middle - torch.maximum(rows, columns)).long().clamp_min(0)
    steps = 1 / (middle + 1 - torch.arange(middle + 1, dtype=torch.float64)) ** 2
    hill: Tensor = steps.cumsum(0)[ring]
    return hill


def _tile_side(height: int, width: int) -> int:
    return max(1, min(height, width) // GRID)


def _unit(values: Tensor) -> Tensor:
    """Each channel (rows, channels, pixels) of norm 1, or 0 where it is 0."""
    length = torch.linalg.vector_norm(values, dim=2, keepdim=True)
    unit: Tensor = values / length.clamp_min(torch.finfo(values.dtype).tiny)
    return unit


def _of_norm(images: Tensor, delta: Tensor, eps: float) -> Tensor:
    """Moved by ``delta``, shortened to eps where it is longer or lengthened where it is shorter, clipped."""
    length = torch.linalg.vector_norm(delta.flatten(1), dim=1).view(-1, 1, 1, 1)
    scaled = delta * (eps / length.clamp_min(torch.finfo(delta.dtype).tiny))
    moved: Tensor = (images + scaled).clamp(0, 1)
    return moved
