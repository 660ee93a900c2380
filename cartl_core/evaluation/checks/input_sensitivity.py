"""Checks that logits change under tiny changes of the input, in every part of the range.

A network that rounds its input, clips it inside [0, 1] or saturates gives the same output, to the last
bit, after a change that is too small for it; in double precision an honest one notices a change of 1e-7
of every pixel. That also finds a rounding whose gradient is replaced by one that looks well.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from cartl_core.nn.module_state import preserve_model_state
from cartl_core.nn.network import Normalize

BANDS: tuple[tuple[float, float], ...] = (
    (-0.2, 0.0),
    (0.0, 0.2),
    (0.2, 0.4),
    (0.4, 0.6),
    (0.6, 0.8),
    (0.8, 1.0),
    (1.0, 1.2),
)
"""Parts of the range that images are squeezed into; the first and the last are outside of it."""
CHANGE = 1e-7


def in_double(model: nn.Module) -> nn.Module:
    """A copy of ``model`` in double precision."""
    return copy.deepcopy(model).double()


def insensitive(double: nn.Module, images: Tensor, bands: Tensor, noise: Tensor) -> Tensor:
    """(N,) bool: squeezed into its band, the image changes nothing when its pixels move by up to ``CHANGE``.

    Args:
        double: a network in double precision.
        images: (N, C, H, W) in [0, 1].
        bands: (N,) int64, rows of ``BANDS``.
        noise: (N, 2, C, H, W), uniform in [0, 1): mixed in half and half, so that pixels do not lie on the
            levels that a network rounds at; and how far each pixel moves, of ``CHANGE``.
    """
    ends = torch.tensor(BANDS, dtype=torch.float64, device=images.device)[bands]
    low, high = (ends[:, side].view(-1, 1, 1, 1) for side in (0, 1))
    blurred, moves = noise.double().unbind(dim=1)
    squeezed = low + (high - low - CHANGE) * (images.double() + blurred) / 2
    with preserve_model_state(double), torch.no_grad():
        same: Tensor = (double(squeezed) == double(squeezed + CHANGE * moves)).all(dim=1)
    return same


def normalises_first(model: nn.Module) -> bool:
    """Whether the first layer of ``model``, in the order of its modules, is its normalisation."""
    layers = (module for module in model.modules() if not list(module.children()))
    return isinstance(next(layers, None), Normalize)
