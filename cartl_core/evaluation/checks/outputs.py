"""Logits or probabilities? The same twice?"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cartl_core.nn.module_state import preserve_model_state

SUM_SLACK = 1e-3
"""Sums of probabilities, rounded in half precision at worst."""
ROUNDING = 1e-5
"""As a share of an image's largest output: kernels that add in another order differ by less."""


def like_probabilities(outputs: Tensor) -> Tensor:
    """(N,) bool: all in [0, 1], and they sum to 1. outputs: (N, K)."""
    inside = ((outputs >= 0) & (outputs <= 1)).all(dim=1)
    return inside & ((outputs.sum(dim=1) - 1).abs() <= SUM_SLACK)


def two_passes(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """(N, K) twice: the outputs of the same images. images: (N, C, H, W) in [0, 1]."""
    with preserve_model_state(model), torch.no_grad():
        return model(images), model(images)


def relative_difference(first: Tensor, second: Tensor) -> Tensor:
    """(N,): the largest difference of an image's outputs, as a share of its largest output; (N, K) each.

    Infinite where only one of the two is finite.
    """
    size = torch.maximum(first.abs(), second.abs()).amax(1).clamp_min(torch.finfo(first.dtype).tiny)
    difference = (first - second).abs().amax(1) / size
    same = ((first == second) | (first.isnan() & second.isnan())).all(1)
    return difference.nan_to_num(nan=torch.inf, posinf=torch.inf).masked_fill(same, 0.0)
