"""How large a network is, counted without building it: multiply-adds and parameters."""

from __future__ import annotations

from functools import lru_cache

from cartl_core.catalog.network_size import Size, block_sizes
from cartl_core.spec import ModelSpec

__all__ = ["Size", "block_sizes", "network_size", "trunk_share"]


@lru_cache(maxsize=256)
def network_size(model: ModelSpec, classes: int) -> Size:
    """The whole network."""
    return sum(block_sizes(model, classes), Size())


@lru_cache(maxsize=1024)
def trunk_share(model: ModelSpec, classes: int, freeze_depth: int) -> float:
    """The share of a forward pass's multiply-adds that the first ``freeze_depth`` blocks have."""
    trunk = sum(block_sizes(model, classes)[:freeze_depth], Size())
    return trunk.macs / network_size(model, classes).macs
