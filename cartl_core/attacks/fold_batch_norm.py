"""A surrogate of a network that computes the same function with fewer operations, to attack in its place.

In eval mode batch norm is a fixed scale and shift of each channel. Where it follows a convolution it is
folded into its weights; elsewhere it becomes one multiplication and one addition, whose way back needs
no statistics. Sums are rounded in another order, so what the surrogate says is confirmed on the network
itself (``attack_with_surrogate``).
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import fusion, parametrize

from cartl_core.attacks.attack_state import AttackOutcome, misclassified, not_finite
from cartl_core.attacks.run_attack import run_attack
from cartl_core.nn.module_state import preserve_model_state
from cartl_core.spec import AttackSpec

M = TypeVar("M", bound=nn.Module)


class Affine(nn.Module):
    """Each channel times ``scale`` plus ``shift``, both (1, C, 1, 1)."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        mean, variance = norm.running_mean, norm.running_var
        if mean is None or variance is None:
            raise ValueError("a batch norm without running statistics is no fixed function")
        gain = norm.weight if norm.weight is not None else torch.ones_like(mean)
        offset = norm.bias if norm.bias is not None else torch.zeros_like(mean)
        scale = gain / (variance + norm.eps).sqrt()
        self.register_buffer("scale", scale.detach().view(1, -1, 1, 1))
        self.register_buffer("shift", (offset - mean * scale).detach().view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W); the same shape back."""
        return torch.addcmul(self.shift, x, self.scale)


def fold_batch_norm(network: M) -> M:
    """A copy of ``network`` in eval mode with its batch norms folded; parameters ask for no gradient.

    Reparametrised convolutions are left as they are.

    Raises:
        ValueError: a batch norm keeps no running statistics.
    """
    surrogate = copy.deepcopy(network).eval().requires_grad_(False)
    for sequence in [module for module in surrogate.modules() if isinstance(module, nn.Sequential)]:
        names = list(sequence._modules)
        for name, after in pairwise(names):
            conv, norm = sequence._modules[name], sequence._modules[after]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and _folds(conv, norm):
                setattr(sequence, name, fusion.fuse_conv_bn_eval(conv, norm).requires_grad_(False))
                setattr(sequence, after, nn.Identity())
    for parent in list(surrogate.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, Affine(child))
    return surrogate


def attack_with_surrogate(
    network: nn.Module,
    surrogate: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: AttackSpec,
    *,
    seed: int,
    label: str,
    indices: Tensor,
    skip: Tensor | None = None,
) -> AttackOutcome:
    """The outcome of an attack on ``surrogate``, confirmed on ``network``.

    Each adversarial image is tried on the network. Where it fools the surrogate alone, the network itself is
    attacked; where it fools the network alone, that counts. Arguments are those of ``run_attack``.
    """
    found = run_attack(surrogate, images, labels, attack, seed=seed, label=label, indices=indices, skip=skip)
    with preserve_model_state(network), torch.no_grad():
        logits = network(found.adversarial)
    broken, infinite = misclassified(logits, labels), not_finite(logits)
    passes = found.passes + len(images)
    if skip is not None:
        broken |= skip.to(broken.device)
    doubtful = found.broken & ~broken
    if not doubtful.any():
        return AttackOutcome(broken, found.adversarial, passes, infinite)
    again = run_attack(
        network, images, labels, attack, seed=seed, label=label, indices=indices, skip=~doubtful
    )
    return AttackOutcome(
        broken=torch.where(doubtful, again.broken, broken),
        adversarial=torch.where(doubtful.view(-1, 1, 1, 1), again.adversarial, found.adversarial),
        passes=passes + again.passes,
        not_finite=torch.where(doubtful, again.not_finite, infinite),
    )


def _folds(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> bool:
    return norm.running_var is not None and not parametrize.is_parametrized(conv)
