"""The nearest point of a hyperplane that lies in the box [0, 1]: the step of FAB.

Croce and Hein, "Minimally distorted adversarial examples with a fast adaptive boundary attack", ICML 2020,
arXiv 1907.02044, section 2.2 and appendix A: for a point x, minimise ||z - x||_p over z in [0, 1]^D with
<slope, z - x> = height. In Linf and l2, coordinate j moves towards the hyperplane by min(t * speed_j,
room_j), where room_j is the way to its wall and the speeds are 1 in Linf and |slope_j| in l2: what that
gains is piecewise linear and rising in t, so that one sort of the walls gives the exact t. In l1 the steepest
coordinate goes to its wall, then the next one, and the last of them only as far as it must.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from cartl_core.spec.measures.attack import Norm


def to_hyperplane(point: Tensor, slope: Tensor, height: Tensor, norm: Norm) -> Tensor:
    """The shortest way from ``point`` to the hyperplane, inside the box.

    Where the box does not reach the hyperplane: all the way to the walls that are nearest to it. Where
    the slope is 0, or nothing needs to be gained: nowhere.

    Args:
        point: (N, D) in [0, 1].
        slope: (N, D) finite.
        height: (N,) that is to be gained, <slope, way> = height; may be negative.
        norm: linf, l2 or l1.

    Returns:
        (N, D): the way; ``point + way`` is in the box but for rounding.
    """
    # The largest slope is made 1: products of tiny ones would vanish.
    largest = slope.abs().amax(1, keepdim=True).clamp_min(torch.finfo(slope.dtype).tiny)
    towards = (slope / largest) * height.sign().unsqueeze(1)
    room = torch.where(towards > 0, 1 - point, point)
    wanted = height.abs().unsqueeze(1) / largest
    return MOVES[norm](towards.abs(), room, wanted).copysign(towards)


def _together(speeds: Callable[[Tensor], Tensor], steep: Tensor, room: Tensor, wanted: Tensor) -> Tensor:
    """(N, D): how far each coordinate moves where all move at once.

    Args:
        speeds: how fast a coordinate moves, of how steep it is.
    """
    speed = speeds(steep) * (steep > 0)
    return torch.minimum(_time(steep, speed, room, wanted) * speed, room * (speed > 0))


def _steepest_first(steep: Tensor, room: Tensor, wanted: Tensor) -> Tensor:
    """(N, D): how far each coordinate moves where one moves after the other."""
    rate, order = steep.sort(dim=1, descending=True, stable=True)
    most = room.gather(1, order) * (rate > 0)
    # In double precision: what is left is a small difference of large sums.
    gained = (rate.double() * most).cumsum(1)
    left = (wanted - torch.nn.functional.pad(gained[:, :-1], (1, 0))).clamp_min(0)
    length = torch.minimum(left.to(rate) / rate.clamp_min(torch.finfo(rate.dtype).tiny), most)
    return torch.zeros_like(steep).scatter(1, order, length)


def _time(steep: Tensor, speed: Tensor, room: Tensor, wanted: Tensor) -> Tensor:
    """(N, 1): the t of which sum_j steep_j min(t speed_j, room_j) is ``wanted``, or the last wall's."""
    arrival = room / speed.clamp_min(torch.finfo(room.dtype).tiny)
    arrival = arrival.masked_fill(speed == 0, 0)  # they gain nothing, whenever they arrive
    walls, order = arrival.sort(dim=1)
    spent = (steep * room * (speed > 0)).gather(1, order).cumsum(1)
    rate = (steep * speed).gather(1, order)
    before = torch.nn.functional.pad(spent[:, :-1], (1, 0))
    left = rate.flip(1).cumsum(1).flip(1)  # summed from the end, so that small last rates are exact
    reached = (wanted - before) / left.clamp_min(torch.finfo(room.dtype).tiny)
    found = reached <= walls
    first = found.to(torch.uint8).argmax(1, keepdim=True)
    return torch.where(found.any(1, keepdim=True), reached.gather(1, first), walls[:, -1:]).clamp_min(0)


MOVES: dict[Norm, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "linf": partial(_together, torch.ones_like),
    "l2": partial(_together, torch.clone),
    "l1": _steepest_first,
}
"""How far each coordinate moves: of how steep it is, its room, and what is wanted."""
