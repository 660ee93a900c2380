"""bf16 by fp32 arithmetic, for a processor that does not multiply bf16: every tensor is rounded to 8 bits.

Hardware multiplies numbers of 8 bits, sums in fp32 and rounds each result. So weights, the outputs of layers
and the gradients that come back to them are rounded here, and what is between is fp32. The one difference
is the order of sums, as between any two processors. It takes about as long as fp32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cartl_core.attacks import LowPrecision
from cartl_core.nn.network import Network

EXACT = (nn.ReLU, nn.LeakyReLU, nn.Identity, nn.Sequential, nn.MaxPool2d, nn.ZeroPad2d)
"""What comes out of these is as round as what goes in."""


class _Rounded(torch.autograd.Function):
    """To the nearest bf16, forth and back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """x: any shape."""
        return x.bfloat16().float()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """gradient: of the same shape."""
        return gradient.bfloat16().float()


class RoundedBf16(LowPrecision):
    """What ``LowPrecision`` of ``network`` computes, up to the order of sums."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        # The weights have been rounded by the cast; what computes with them is fp32 again.
        self.body.float()
        for module in self.body.modules():
            if not isinstance(module, EXACT):
                module.register_forward_hook(_round)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) float32 in [0, 1]; returns logits (N, K) float32."""
        logits: Tensor = self.head(self.body(_rounded(self.normalize(x))))
        return logits


def _rounded(x: Tensor) -> Tensor:
    found: Tensor = _Rounded.apply(x)  # type: ignore[no-untyped-call]
    return found


def _round(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    return _rounded(output)
