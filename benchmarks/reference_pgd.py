"""PGD as it is usually written: the whole batch through every step, the last iterate scored."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def reference_pgd(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    start: Tensor,
    *,
    norm: str,
    eps: float,
    step: float,
    steps: int,
) -> Tensor:
    """Madry et al. (ICLR 2018, arXiv 1706.06083) in linf or l2.

    Args:
        model: maps (N, C, H, W) in [0, 1] to logits; in eval mode.
        start: (N, C, H, W), the first perturbation.

    Returns:
        (N, C, H, W): the last iterates.
    """
    point = (images + start).clamp(0, 1)
    for _ in range(steps):
        asked = point.detach().requires_grad_(True)
        loss = nn.functional.cross_entropy(model(asked), labels, reduction="sum")
        (slope,) = torch.autograd.grad(loss, asked)
        if norm == "linf":
            delta = (point + step * slope.sign() - images).clamp(-eps, eps)
        else:
            delta = point + step * slope / _length(slope).clamp_min(1e-12) - images
            delta = delta * (eps / _length(delta).clamp_min(1e-12)).clamp(max=1)
        point = (images + delta).clamp(0, 1).detach()
    return point


def _length(values: Tensor) -> Tensor:
    result: Tensor = values.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    return result
