"""What arrays of a frozen trunk are known by, so that students on the same trunk and data share them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cartl_core.execution.stage_context import StageContext
from cartl_core.nn.block_list import BlockNetwork
from cartl_core.nn.network import Network, Residual
from cartl_core.planning.stage_digests import machine_of, plain
from cartl_core.spec import digest

RECIPE = 1
"""Raise it when the same trunk and images give other features, or other copies of the images."""


@dataclass(frozen=True)
class TrunkIdentity:
    """All that determines what a trunk makes of the training images; None: nobody else has this trunk."""

    parts: Mapping[str, Any] | None = None

    def digest(self, array: str, dtype: torch.dtype, **settings: Any) -> str | None:
        """Of one array made from it: 64 hexadecimal digits; ``settings``: of how it is made."""
        if self.parts is None:
            return None
        return digest({**self.parts, "array": array, "dtype": str(dtype), "settings": settings})


UNKNOWN = TrunkIdentity()


def trunk_identity(
    network: BlockNetwork, freeze_depth: int, data: str | None, ctx: StageContext
) -> TrunkIdentity:
    """Of the first ``freeze_depth`` blocks as they are now, their statistics included.

    A teacher is known by its trunk's own numbers: two teachers that differ behind it share what it makes.

    Args:
        data: fingerprint of the images as the network sees them; None: they have none.
    """
    if data is None or ctx.shared is None or not isinstance(network, Network):
        return UNKNOWN
    lower, _ = network.split(freeze_depth)
    return TrunkIdentity(
        {
            "recipe": RECIPE,
            "model": plain(network.arch.model),
            "trunk": _content(lower),
            "averaged": [module.average for module in lower.modules() if isinstance(module, Residual)],
            "freeze_depth": freeze_depth,
            "data": data,
            # Neither features nor attacks on a trunk are computed in the precision of training.
            "machine": machine_of(ctx.runtime) | {"precision": "fp32"},
        }
    )


def _content(module: nn.Module) -> str:
    """SHA-256 of every parameter and buffer, with its name, type and shape."""
    content = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        content.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()
