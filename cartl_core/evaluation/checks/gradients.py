"""Do gradients reach the input? Measured where an attack starts, not at the images themselves."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cartl_core.attacks.losses import Objective, margin
from cartl_core.nn.losses import cross_entropy
from cartl_core.nn.module_state import preserve_model_state


def gradient_faults(model: nn.Module, points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Where the cross-entropy has no usable gradient, and where no loss has one.

    The cross-entropy of K logits has the margin's gradient times 1 - p, more or less. Where p rounds to 1,
    it is 0 or made of rounding errors alone: its largest entry is then below the relative precision of the
    numbers (2**-23 in single) times the margin's. The margin itself does not change with the logits' scale.

    Args:
        model: maps (N, C, H, W) in [0, 1] to logits.
        points: (N, C, H, W) in [0, 1], where attacks start.
        labels: (N,) int64.

    Returns:
        vanished: (N,) bool: that of the cross-entropy is 0, below that floor, or not finite.
        flat: (N,) bool: that of the margin is exactly 0 or not finite.
    """
    with preserve_model_state(model):
        entropy, gap = (_largest_entry(model, points, labels, loss) for loss in (cross_entropy, margin))
    floor = torch.finfo(points.dtype).eps * gap.nan_to_num(nan=0.0, posinf=0.0)
    vanished = (entropy <= floor) | ~entropy.isfinite()
    flat = (gap == 0) | ~gap.isfinite()
    return vanished, flat


def _largest_entry(model: nn.Module, points: Tensor, labels: Tensor, objective: Objective) -> Tensor:
    """(N,): of each image's gradient, in size; 0 where the output does not hang on the input."""
    asked = points.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        total = objective(model(asked), labels).sum()
    if not total.requires_grad:
        return torch.zeros(len(points), dtype=points.dtype, device=points.device)
    (gradient,) = torch.autograd.grad(total, asked, allow_unused=True, materialize_grads=True)
    return gradient.flatten(1).abs().amax(1)
