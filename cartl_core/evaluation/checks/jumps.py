"""Does the margin move where no gradient tells of it?

Along a line the margin of a network without jumps changes by the integral of its gradient. A layer that is
constant in pieces (rounding, a threshold, an activation that takes what is near its mean for the mean)
changes the margin by jumps, which no gradient has. So the change over each of some short segments is compared
with what the gradient in its middle tells; what is left over is small for smooth networks and those of ReLUs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cartl_core.attacks.losses import margin
from cartl_core.catalog.check_attacks import SEGMENTS
from cartl_core.nn.module_state import preserve_model_state


def unexplained_share(double: nn.Module, images: Tensor, ends: Tensor, labels: Tensor) -> Tensor:
    """(N,) float64: of the margin's changes along a line, the share that gradients do not tell of.

    0 where the margin is constant; above 1 where gradients tell of changes that do not happen.

    Args:
        double: a network in double precision, so that short segments are no matter of rounding.
        images: (N, C, H, W) in [0, 1]; ends: (N, C, H, W), where each line ends.
        labels: (N,) int64.
    """
    step = (ends.double() - images.double()) / SEGMENTS
    here = images.double()
    missed = torch.zeros(len(images), dtype=torch.float64, device=images.device)
    changed = torch.zeros_like(missed)
    with preserve_model_state(double):
        value = _margin(double, here, labels)
        for number in range(SEGMENTS):
            told = (_slope(double, here + (number + 0.5) * step, labels) * step).flatten(1).sum(1)
            following = _margin(double, here + (number + 1) * step, labels)
            missed += (following - value - told).abs()
            changed += (following - value).abs()
            value = following
    share: Tensor = missed / changed.clamp_min(torch.finfo(torch.float64).tiny)
    return share.masked_fill((missed == 0) | ~share.isfinite(), 0.0)


def _margin(model: nn.Module, points: Tensor, labels: Tensor) -> Tensor:
    with torch.no_grad():
        return margin(model(points), labels)


def _slope(model: nn.Module, points: Tensor, labels: Tensor) -> Tensor:
    """(N, C, H, W): of the margin; 0 where the output does not hang on the input."""
    asked = points.detach().requires_grad_(True)
    with torch.enable_grad():
        total = margin(model(asked), labels).sum()
    if not total.requires_grad:
        return torch.zeros_like(points)
    (slope,) = torch.autograd.grad(total, asked, allow_unused=True, materialize_grads=True)
    return slope
