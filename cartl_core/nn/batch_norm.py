"""The batch-norm layers of a network."""

from __future__ import annotations

from torch import nn

BATCH_NORM = (nn.BatchNorm1d, nn.BatchNorm2d)


def batch_norms(module: nn.Module) -> list[nn.BatchNorm1d | nn.BatchNorm2d]:
    """All batch-norm layers of ``module``."""
    return [layer for layer in module.modules() if isinstance(layer, BATCH_NORM)]
