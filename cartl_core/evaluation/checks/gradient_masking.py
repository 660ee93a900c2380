"""Attacks that masked gradients do not mislead: other losses, other logits, other networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cartl_core.attacks import misclassified
from cartl_core.attacks.norm_balls import BALLS
from cartl_core.nn.losses import cross_entropy
from cartl_core.nn.module_state import preserve_model_state
from cartl_core.spec import AttackSpec

GAP = 2.0
"""Between the largest two logits after rescaling: p of the best class is then at most 0.88."""
LEAST_SHARE = 1e-6
"""Gaps below this share of the largest logit count as that: a factor stays finite."""
SHOWN_EVERY = 10
"""Steps of a transferred attack between two iterates that are tried on the target."""


class Rescaled(nn.Module):
    """A network whose logits are scaled, image by image, so that the largest two are ``GAP`` apart.

    The factor is taken as constant, so the cross-entropy's gradient is that of a network with logits of a
    reasonable size, however small (as with NEFT) or large they really are. The winner is the same.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) in [0, 1]; returns (N, K)."""
        logits: Tensor = self.model(x)
        with torch.no_grad():
            top = logits.topk(2, dim=1).values
            least = LEAST_SHARE * logits.abs().amax(1) + torch.finfo(logits.dtype).tiny
            factor = GAP / torch.maximum(top[:, 0] - top[:, 1], least)
        return logits * factor.unsqueeze(1)


def transferred(
    source: nn.Module, target: nn.Module, images: Tensor, labels: Tensor, attack: AttackSpec, start: Tensor
) -> Tensor:
    """(N,) bool: which images ``target`` misclassifies, clean or attacked by gradients of ``source`` alone.

    The attack climbs the source's cross-entropy to the end, whatever it breaks there; every tenth iterate
    and the last are tried on the target (Papernot et al. 2017, arXiv 1602.02697, for transfer as an attack).

    Args:
        source: another network for the same classes.
        images: (N, C, H, W) in [0, 1]; labels: (N,) int64.
        attack: norm, radius, step and steps.
        start: (N, C, H, W), the first perturbation.
    """
    ball, eps = BALLS[attack.norm], attack.eps
    bounds = ball.bounds(images, eps)
    point = ball.project(images + start.to(images), bounds, eps)
    with preserve_model_state(source), preserve_model_state(target):
        broken = _fooled(target, images, labels)
        for number in range(1, attack.steps + 1):
            point = point.detach().requires_grad_(True)
            with torch.enable_grad():
                total = cross_entropy(source(point), labels).sum()
            (uphill,) = torch.autograd.grad(total, point)
            here = point.detach()
            point = ball.project(here + attack.step_size * ball.steepest(uphill, here), bounds, eps)
            if number % SHOWN_EVERY == 0 or number == attack.steps:
                broken |= _fooled(target, point, labels)
    return broken


def _fooled(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    with torch.no_grad():
        return misclassified(model(images), labels)
