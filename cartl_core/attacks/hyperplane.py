"""The nearest point of a hyperplane that lies in the box [0, 1]: the step of FAB.

Croce and Hein, "Minimally distorted adversarial examples with a fast adaptive boundary attack", ICML 2020,
arXiv 1907.02044, section 2.2 and appendix A: for a point x, minimise ||z - x||_p over z in [0, 1]^D with
<slope, z - x> = height. Coordinate j moves towards the hyperplane by min(t * speed_j, room_j), where room_j
is the way to its wall and the speeds are all 1 in Linf and |slope_j| in l2: what that gains is piecewise
linear and rising in t, so that one sort of the walls gives the exact t.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cartl_core.spec.measures.attack import Norm

SPEEDS = {"linf": torch.ones_like, "l2": torch.clone}
"""How fast a coordinate moves, of how steep it is."""


def to_hyperplane(point: Tensor, slope: Tensor, height: Tensor, norm: Norm) -> Tensor:
    """The shortest way from ``point`` to the hyperplane, inside the box.

    Where the box does not reach the hyperplane: all the way to the walls that are nearest to it. Where
    the slope is 0, or nothing needs to be gained: nowhere.

    Args:
        point: (N, D) in [0, 1].
        slope: (N, D) finite.
        height: (N,) that is to be gained, <slope, way> = height; may be negative.
        norm: linf or l2.

    Returns:
        (N, D): the way; ``point + way`` is in the box but for rounding.
    """
    # The largest slope is made 1: products of tiny ones would vanish.
    largest = slope.abs().amax(1, keepdim=True).clamp_min(torch.finfo(slope.dtype).tiny)
    towards = (slope / largest) * height.sign().unsqueeze(1)
    steep = towards.abs()
    speed = SPEEDS[norm](steep) * (steep > 0)
    room = torch.where(towards > 0, 1 - point, point)
    wanted = height.abs().unsqueeze(1) / largest
    length = torch.minimum(_time(steep, speed, room, wanted) * speed, room * (speed > 0))
    return length.copysign(towards)


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
