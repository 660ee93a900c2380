"""Arguments of the public attacks, checked: each error names the argument and what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import get_args

import torch
from torch import Tensor, nn

from cartl_core.errors import ArgumentInvalid
from cartl_core.nn.module_state import preserve_model_state
from cartl_core.spec.measures.attack import LARGEST_RADIUS, Norm, largest_radius

Classifier = Callable[[Tensor], Tensor]
"""Maps images (N, C, H, W) in [0, 1] to logits (N, K): any ``nn.Module``, or a function."""

LARGEST_SEED = 2**63 - 1


class _Function(nn.Module):
    """A plain function as a module without parameters."""

    def __init__(self, function: Classifier) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) in [0, 1]; returns (N, K)."""
        return self.function(x)


def as_module(model: Classifier) -> nn.Module:
    """``model`` itself, or a module that calls it.

    Raises:
        ArgumentInvalid: it cannot be called.
    """
    if isinstance(model, nn.Module):
        return model
    if not callable(model):
        raise ArgumentInvalid("model", f"{type(model).__name__} cannot be called", allowed="an nn.Module")
    return _Function(model)


def check_images(x: Tensor, name: str = "x") -> None:
    """Require N > 0 images (N, C, H, W), float32 or float64, in [0, 1].

    Raises:
        ArgumentInvalid: they are something else.
    """
    if not isinstance(x, Tensor):
        raise ArgumentInvalid(
            name,
            f"is a {type(x).__name__}",
            allowed="a tensor (N, C, H, W); tensor() makes one of a loaded split's images",
        )
    if x.dim() != 4 or x.numel() == 0:
        raise ArgumentInvalid(name, f"has shape {tuple(x.shape)}", allowed="(N, C, H, W), none of them 0")
    if x.dtype not in (torch.float32, torch.float64):
        raise ArgumentInvalid(name, f"has dtype {x.dtype}", allowed="torch.float32 or torch.float64")
    if not bool(((x >= 0) & (x <= 1)).all()):
        low, high = float(x.min()), float(x.max())
        raise ArgumentInvalid(
            name,
            f"has values from {low:g} to {high:g}",
            allowed="finite values in [0, 1]; a model that wants normalised images normalises them itself",
        )


def check_labels(
    y: Tensor, images: int, classes: int, name: str = "y", *, why: str = "the model gives so many logits"
) -> None:
    """Require one label from 0 to ``classes`` - 1 for each image.

    Args:
        why: there are so many classes, for the error.

    Raises:
        ArgumentInvalid: they are something else.
    """
    if not isinstance(y, Tensor):
        raise ArgumentInvalid(name, f"is a {type(y).__name__}", allowed=f"a tensor ({images},) of int64")
    if y.shape != (images,):
        raise ArgumentInvalid(name, f"has shape {tuple(y.shape)}", allowed=f"({images},), one for each image")
    if y.dtype != torch.int64:
        raise ArgumentInvalid(name, f"has dtype {y.dtype}", allowed="torch.int64")
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= classes:
        raise ArgumentInvalid(
            name,
            f"has labels from {low} to {high}",
            allowed=f"0 to {classes - 1}: {why}",
        )


def check_radius(eps: float, norm: Norm) -> float:
    """``eps`` as a float.

    Raises:
        ArgumentInvalid: it is negative, not finite or larger than any image, or there is no such norm.
    """
    if norm not in get_args(Norm):
        raise ArgumentInvalid("norm", f"{norm!r} is no norm", allowed=", ".join(get_args(Norm)))
    largest = LARGEST_RADIUS[norm]
    if (
        not isinstance(eps, int | float)
        or isinstance(eps, bool)
        or not isfinite(eps)
        or not 0 <= eps <= largest
    ):
        raise ArgumentInvalid(
            "eps",
            f"{eps!r} is no radius in {norm}",
            allowed=f"0 to {largest:g}, in units of pixels in [0, 1]",
        )
    return float(eps)


def check_room(eps: float, norm: Norm, x: Tensor) -> None:
    """Require a radius that images ``x`` (N, C, H, W) have room for: no two are further apart.

    Raises:
        ArgumentInvalid: it is larger.
    """
    largest = largest_radius(norm, x[0].numel())
    if eps > largest:
        shape = " x ".join(map(str, x.shape[1:]))
        raise ArgumentInvalid(
            "eps",
            f"{eps:g} is more than an image of {shape} has room for",
            allowed=f"at most {largest:g} in {norm}",
        )


def check_seed(seed: int) -> None:
    """Require a whole number from 0 to 2**63 - 1.

    Raises:
        ArgumentInvalid: it is something else.
    """
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= LARGEST_SEED:
        raise ArgumentInvalid("seed", f"{seed!r} is no seed", allowed="a whole number from 0 to 2**63 - 1")


def number_of_classes(model: nn.Module, x: Tensor) -> int:
    """K of a model whose logits are (N, K), by one pass over the first image.

    Raises:
        ArgumentInvalid: the output is something else, or there are fewer than two classes.
    """
    with preserve_model_state(model), torch.no_grad():
        logits = model(x[:1])
    if not isinstance(logits, Tensor):
        raise ArgumentInvalid("model", f"returns a {type(logits).__name__}", allowed="logits (N, K)")
    if logits.dim() != 2 or len(logits) != 1 or logits.shape[1] < 2 or not logits.is_floating_point():
        raise ArgumentInvalid(
            "model",
            f"returns {logits.dtype} of shape {tuple(logits.shape)} for one image",
            allowed="floating-point logits (N, K) for N images and K classes, at least 2",
        )
    return logits.shape[1]
