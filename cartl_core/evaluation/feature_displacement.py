"""What a Lipschitz constant certifies of single images, and how far an attack moves the features.

Shapes: N images, K classes, F numbers at the head's input.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cartl_core.data import ImageSet

ROUNDING = 1e-9
"""Part of the largest logit that a margin is shortened by: far more than float64 adds on the way."""


def certified_distance(logits: Tensor, labels: Tensor, head: Tensor) -> Tensor:
    """How far the head's input can move, in L2, before another class can win; 0 where one wins already.

    Moving it by r changes z_y - z_j by at most r * ||w_y - w_j||, which is never more than the sqrt(2) * r *
    ||W|| of Tsuzuku et al. (NeurIPS 2018, arXiv 1802.04034, proposition 1; this is their last-layer form).
    Over the Lipschitz constant of what comes before the head it is a certified radius of that.

    Args:
        logits: (N, K), computed in double precision; a margin within rounding counts as none.
        labels: (N,) int64.
        head: (K, F), the weight of the linear head.

    Returns:
        (N,) float64, infinite where no other class can ever win.
    """
    own = logits.gather(1, labels[:, None])
    margin = own - logits - ROUNDING * logits.abs().amax(1, keepdim=True)
    apart = torch.cdist(
        head.double()[None], head.double()[None], compute_mode="donot_use_mm_for_euclid_dist"
    )[0]
    steepness = apart[labels] * (1 + ROUNDING)
    ratio = torch.where(margin > 0, margin / steepness, torch.zeros_like(margin))
    ratio.scatter_(1, labels[:, None], torch.inf)
    distance: Tensor = ratio.amin(1)
    return distance


def displacement(lower: nn.Module, adversarial: Tensor, images: Tensor) -> Tensor:
    """(N,): ||lower(adversarial) - lower(images)||_2, in eval mode; both (N, C, H, W).

    Measured on these very images: an empirical figure, no bound of what another attack does.
    """
    with torch.no_grad():
        moved = (lower(adversarial) - lower(images)).flatten(1).double()
    distance: Tensor = torch.linalg.vector_norm(moved, dim=1)
    return distance


def mean_feature(lower: nn.Module, images: ImageSet, batch_size: int, device: torch.device) -> Tensor:
    """(1, ...) float64: the mean of ``lower``, which is on ``device``, over ``images``, in eval mode."""
    total: Tensor | None = None
    with torch.no_grad():
        for first in range(0, len(images), batch_size):
            part = images[first : first + batch_size].to(device)
            added = lower(part).double().sum(0, keepdim=True)
            total = added if total is None else total + added
    assert total is not None
    return total / len(images)


def off_centre(lower: nn.Module, images: Tensor, centre: Tensor) -> Tensor:
    """(N,): ||lower(images) - centre||_2; its mean over all images is the features' spread."""
    with torch.no_grad():
        apart: Tensor = torch.linalg.vector_norm((lower(images).double() - centre).flatten(1), dim=1)
    return apart
