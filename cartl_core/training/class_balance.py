"""Training on classes of unequal size: weights of the loss, or draws of an epoch, by class.

Shapes: N training images, K classes, labels (N,) int64.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cartl_core.spec.training import ClassWeights, Sampling

LARGEST_RATIO = 1_000.0
"""Of two weights: a class with one image of a million does not take the whole gradient."""
_POWERS: dict[ClassWeights, float] = {"inverse": -1.0, "inverse_sqrt": -0.5}


def class_weights(
    scheme: ClassWeights, labels: Tensor, classes: int, device: torch.device | str = "cpu"
) -> Tensor | None:
    """(K,) weights of the classes; None where all are 1.

    Their mean over the N images is 1, so the learning rate means what it means without them. `inverse` is
    N / (K * n_c), as scikit-learn's `balanced` has it. A class without an image has weight 0.
    """
    if scheme == "none":
        return None
    counts = torch.bincount(labels.cpu(), minlength=classes).double()
    there = counts > 0
    weights = torch.where(there, counts.clamp_min(1.0) ** _POWERS[scheme], 0.0)
    weights = weights.clamp_max(LARGEST_RATIO * weights[there].min())
    return (weights * len(labels) / (weights * counts).sum()).float().to(device)


def epoch_order(sampling: Sampling, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Positions (N,) of an epoch's images, in the order in which batches take them.

    `uniform` is a permutation. `balanced` has equally many of every class that there is, up to one, by lot;
    within a class no image occurs twice before each has occurred once. A function of the generator alone.
    """
    if sampling == "uniform":
        return torch.randperm(len(labels), generator=generator)
    _, inverse, counts = torch.unique(labels.cpu(), return_inverse=True, return_counts=True)
    share, left = divmod(len(labels), len(counts))
    wanted = torch.full_like(counts, share)
    wanted[torch.randperm(len(counts), generator=generator)[:left]] += 1
    members = torch.split(inverse.argsort(stable=True), counts.tolist())
    drawn = torch.cat(
        [_drawn(own, quota, generator) for own, quota in zip(members, wanted.tolist(), strict=True)]
    )
    return drawn[torch.randperm(len(drawn), generator=generator)]


def _drawn(members: Tensor, quota: int, generator: torch.Generator) -> Tensor:
    """So many of ``members``: whole permutations of them, the last one cut."""
    rounds = -(-quota // len(members))
    orders = torch.rand(rounds, len(members), generator=generator, dtype=torch.double).argsort(dim=1)
    return members[orders.flatten()[:quota]]
