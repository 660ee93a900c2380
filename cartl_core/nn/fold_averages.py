"""Networks that average at their merges, as networks that add: the halves go into weights and statistics.

NEFT merges by (shortcut + branch) / 2, and no public class of a residual network does. The same function is
computed with sums once every tensor on the residual stream is c times as large, c a power of two. An identity
shortcut doubles c, a projection sets it back to 1, and whatever reads the stream takes c back:

- a convolution or linear layer by weight / c;
- a batch norm by running_mean * c and running_var * c^2 + (c^2 - 1) * eps, so that
  (c x - c m) / sqrt(c^2 v + (c^2 - 1) eps + eps) = (x - m) / sqrt(v + eps). Its weight stays, so that the
  network can be trained on from there;
- ReLU, LeakyReLU and pooling pass c on: f(c x) = c f(x) for c > 0.

Powers of two are exact in floating point, so only the sum with eps rounds. A layer that does neither, such as
SiLU on the stream, cannot be folded, and is named.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn

from cartl_core.errors import CartlError
from cartl_core.nn.network import GlobalPool, Network, Residual

HOMOGENEOUS = (
    nn.Identity,
    nn.ReLU,
    nn.LeakyReLU,
    GlobalPool,
    nn.MaxPool2d,
    nn.ZeroPad2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.Flatten,
)
"""Layers f with f(c x) = c f(x) for every c > 0."""


class FoldRefused(CartlError):
    """An average of this network cannot be folded into its weights."""


def fold_averages(network: Network) -> Network:
    """A copy that computes the same in eval mode, all of whose merges are sums.

    Raises:
        FoldRefused: a layer on the residual stream can neither take a factor back nor pass it on.
    """
    folded = deepcopy(network)
    scale = 1.0
    with torch.no_grad():
        for block in folded.blocks:
            scale = _carried(block, scale)
    return folded


def _carried(module: nn.Module, scale: float) -> float:
    """Let ``module`` take ``scale`` times its input; returns by how much its output is too large then."""
    match module:
        case nn.Sequential():
            for part in module:
                scale = _carried(part, scale)
            return scale
        case Residual():
            return _merged(module, scale)
        case nn.Conv2d() | nn.Linear():
            module.weight.div_(scale)
            return 1.0
        case nn.BatchNorm2d():
            _take_back(module, scale)
            return 1.0
    if scale == 1.0 or isinstance(module, HOMOGENEOUS):
        return scale
    raise FoldRefused(
        f"a {type(module).__name__} follows an average, and its answer to {scale:g} x is not "
        f"{scale:g} times its answer to x"
    )


def _merged(residual: Residual, scale: float) -> float:
    """The same of a merge. Both paths must leave it equally scaled, the identity as it came."""
    inner = _carried(residual.before, scale)
    branch = _carried(residual.branch, inner)
    shortcut = _carried(residual.shortcut, inner)
    # What the sum is too large by. Where the shortcut has weights, as little as possible: 1.
    wanted = shortcut
    if not isinstance(residual.shortcut, nn.Identity):
        share = 0.5 if residual.average else 1.0
        _multiply(residual.shortcut, share / shortcut)
        wanted = share
    _multiply(residual.branch, wanted / branch)
    outer = 2 * wanted if residual.average else wanted
    residual.average = False
    return _carried(residual.after, outer)


def _multiply(module: nn.Module, factor: float) -> None:
    """Multiply the output of ``module`` by ``factor``: in the last layer of it that has weights."""
    if factor == 1.0:
        return
    match module:
        case nn.Sequential() if len(module):
            *_, last = module
            if isinstance(last, HOMOGENEOUS):
                _multiply(module[:-1], factor)
            else:
                _multiply(last, factor)
        case nn.Conv2d() | nn.Linear() | nn.BatchNorm2d() if module.weight is not None:
            for tensor in (module.weight, module.bias):
                if tensor is not None:
                    tensor.mul_(factor)
        case _:
            raise FoldRefused(
                f"a path into a merge ends with a {type(module).__name__}, which has no weights"
            )


def _take_back(norm: nn.BatchNorm2d, scale: float) -> None:
    """Answer to ``scale`` x as before to x, up to rounding."""
    if scale == 1.0:
        return
    if norm.running_mean is None or norm.running_var is None:
        raise FoldRefused("a batch norm without statistics follows an average")
    norm.running_mean.mul_(scale)
    norm.running_var.mul_(scale**2).add_((scale**2 - 1) * norm.eps)
