"""Which classes a targeted attack aims at, one after the other."""

from __future__ import annotations

import torch
from torch import Tensor

from cartl_core.attack_facts import TARGETS


def targets(logits: Tensor, labels: Tensor) -> Tensor:
    """(N, T): the likeliest other classes of each image, the likeliest first; T at most ``TARGETS``.

    Args:
        logits: (N, C) of the images themselves.
        labels: (N,) int64, the true classes.
    """
    without = logits.scatter(1, labels.unsqueeze(1), -torch.inf)
    ranked = without.argsort(dim=1, descending=True, stable=True)
    return ranked[:, : min(TARGETS, logits.shape[1] - 1)]
