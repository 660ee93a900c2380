"""What an attack climbs, per image: high where the model is wrong.

logits: (N, C); labels: (N,) int64; returns (N,). Source of the difference of logits ratio: Croce and
Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free attacks",
ICML 2020, arXiv 2003.01690, section 4. Unlike the cross-entropy it does not change when all logits are
scaled or shifted, so that a network with large or small logits cannot hide its gradients.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cartl_core.nn.losses import cross_entropy
from cartl_core.spec.measures.attack import LEAST_CLASSES, TARGETS, AttackLoss

Objective = Callable[[Tensor, Tensor], Tensor]

LEAST_GAP = 1e-12
"""Added below the fraction bar, where logits may be equal."""


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """The best other logit less that of the true class: above 0 where the model is wrong."""
    true = labels.unsqueeze(1)
    others = logits.scatter(1, true, -torch.inf)
    return others.amax(1) - logits.gather(1, true).squeeze(1)


def difference_of_logits_ratio(logits: Tensor, labels: Tensor) -> Tensor:
    """The margin over the gap between the largest and the third largest logit.

    Raises:
        ValueError: there are fewer than three classes.
    """
    _enough("dlr", logits)
    top = logits.topk(3, dim=1).values
    return margin(logits, labels) / (top[:, 0] - top[:, 2] + LEAST_GAP)


def targeted_ratio(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """The target's logit less that of the true class, over a gap as above.

    Args:
        targets: (N,) int64, the class that each image is pushed to.

    Raises:
        ValueError: there are fewer than four classes.
    """
    _enough("targeted_dlr", logits)
    top = logits.topk(4, dim=1).values
    aim = logits.gather(1, targets.unsqueeze(1)) - logits.gather(1, labels.unsqueeze(1))
    return aim.squeeze(1) / (top[:, 0] - (top[:, 2] + top[:, 3]) / 2 + LEAST_GAP)


def _enough(loss: AttackLoss, logits: Tensor) -> None:
    if logits.shape[1] < LEAST_CLASSES[loss]:
        raise ValueError(f"loss {loss} needs {LEAST_CLASSES[loss]} classes, not {logits.shape[1]}")


OBJECTIVES: dict[AttackLoss, Objective] = {
    "ce": cross_entropy,
    "margin": margin,
    "dlr": difference_of_logits_ratio,
}
"""Targeted losses take a target besides: see ``targeted_ratio``."""


def targets(logits: Tensor, labels: Tensor, most: int = TARGETS) -> Tensor:
    """(N, T): the likeliest other classes of each image, the likeliest first; T at most ``most``.

    Args:
        logits: (N, C) of the images themselves.
        labels: (N,) int64, the true classes.
    """
    without = logits.scatter(1, labels.unsqueeze(1), -torch.inf)
    ranked = without.argsort(dim=1, descending=True, stable=True)
    return ranked[:, : min(most, logits.shape[1] - 1)]
