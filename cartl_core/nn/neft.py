"""NEFT, non-expansive fine-tuning (Chen et al., "CARTL", ICML 2021).

Every convolution and linear layer of the tail computes with W_eff = beta * W / sigma(W), where sigma
is the largest singular value of W reshaped to (out, in * kh * kw), and every residual block of the
tail returns the mean of shortcut and residual instead of their sum.

What is bounded is sigma of the reshaped kernel, not the convolution as an operator, which may be up to
sqrt(kh * kw) times larger (``cartl_core.nn.operator_norm``); beta <= 1/3 makes a 3x3 convolution
non-expansive. Batch norm layers are not bounded at all.

Order of use: ``apply_nonexpansive`` before the optimiser is built (the effective weights change at
once); training, where each pass refines sigma by one power iteration; ``bake``, after which the tail is
plain again. To resume, apply to a fresh tail, then load the state: the vectors are buffers in it.

Power iteration may stall for long beside the leading singular vector, e.g. when another one took the
lead during training. So its limit is computed instead, from the eigenvectors of the smaller Gram
matrix, wherever it is needed exactly: at the start and before baking (0.2 s for 640 channels).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from cartl_core.nn.network import Residual
from cartl_core.nn.operator_norm import reshaped_sigma

TINY = 1e-12


class SpectralScale(nn.Module):
    """The map W -> beta * W / sigma(W), with sigma by power iteration.

    ``u`` (out,) and ``v`` (in * kh * kw,) approximate the leading singular vectors. They move by one
    iteration in each pass in train mode that records gradients, and at no other time.
    """

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor, beta: float) -> None:
        super().__init__()
        self.beta = beta
        flat = weight.detach().flatten(1)
        self.register_buffer("u", torch.zeros_like(flat[:, 0]))
        self.register_buffer("v", torch.zeros_like(flat[0]))
        self.converge(weight)

    def forward(self, weight: Tensor) -> Tensor:
        """weight: (out, ...); returns W_eff, the same shape, in full precision also under autocast."""
        with torch.autocast(weight.device.type, enabled=False):
            if self.training and torch.is_grad_enabled():
                self._iterate(weight)
            return weight * (self.beta / self._sigma(weight).clamp_min(TINY))

    @torch.no_grad()
    def converge(self, weight: Tensor) -> None:
        """Set both vectors to what power iteration tends to, by eigenvectors in double precision."""
        flat = weight.detach().flatten(1).double()
        if flat.shape[0] <= flat.shape[1]:
            u = torch.linalg.eigh(flat @ flat.T).eigenvectors[:, -1]
            v = functional.normalize(flat.T @ u, dim=0, eps=TINY)
        else:
            v = torch.linalg.eigh(flat.T @ flat).eigenvectors[:, -1]
            u = functional.normalize(flat @ v, dim=0, eps=TINY)
        self.u.copy_(u)
        self.v.copy_(v)

    @torch.no_grad()
    def _iterate(self, weight: Tensor) -> None:
        flat = weight.detach().flatten(1)
        self.v.copy_(functional.normalize(flat.T @ self.u, dim=0, eps=TINY))
        self.u.copy_(functional.normalize(flat @ self.v, dim=0, eps=TINY))

    def _sigma(self, weight: Tensor) -> Tensor:
        # Copies, so that a second pass before the backward one may move the buffers.
        return torch.dot(self.u.clone(), torch.mv(weight.flatten(1), self.v.clone()))


def apply_nonexpansive(tail: nn.Module, beta: float) -> None:
    """Make ``tail`` non-expansive in place: all its layers, shortcuts and head included.

    Args:
        tail: what is tuned, e.g. ``upper`` of ``network.split(freeze_depth)``.
        beta: the spectral scale, above 0; the paper's final value is 0.4.

    Raises:
        ValueError: beta is not positive, or the tail is non-expansive already.
    """
    if not beta > 0:
        raise ValueError(f"beta={beta} must be above 0")
    if _scaled(tail):
        raise ValueError("the tail is non-expansive already")
    for _, layer in tuned_layers(tail):
        parametrize.register_parametrization(layer, "weight", SpectralScale(layer.weight, beta))
    for block in tail.modules():
        if isinstance(block, Residual):
            block.average = True


def converge(tail: nn.Module) -> None:
    """Make sigma exact on every layer of a non-expansive ``tail``: the limit of power iteration."""
    for _, original, scale in _scaled(tail):
        scale.converge(original)


def bake(tail: nn.Module) -> None:
    """Converge, then write W_eff into the weights: plain layers with plain keys, in place.

    Residual blocks go on averaging: that is part of the network. On a plain tail nothing happens.
    """
    converge(tail)
    with torch.no_grad():
        for layer, _, _ in _scaled(tail):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def sigmas(module: nn.Module) -> dict[str, float]:
    """Exact largest singular value of each layer's effective reshaped weight, by the layer's name."""
    with torch.no_grad():
        return {name: reshaped_sigma(layer.weight) for name, layer in tuned_layers(module)}


def tuned_layers(module: nn.Module) -> Iterator[tuple[str, nn.Conv2d | nn.Linear]]:
    """Every convolution and linear layer in ``module``, however deeply nested, with its name."""
    for name, layer in module.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            yield name, layer


class _Scaled(NamedTuple):
    layer: nn.Module
    original: Tensor
    scale: SpectralScale


def _scaled(tail: nn.Module) -> list[_Scaled]:
    """The layers of ``tail`` that are non-expansive, with what they are made of."""
    found = []
    for _, layer in tuned_layers(tail):
        if parametrize.is_parametrized(layer, "weight"):
            parts = layer.get_submodule("parametrizations.weight")
            assert isinstance(parts, parametrize.ParametrizationList)
            found += [
                _Scaled(layer, parts.original, scale) for scale in parts if isinstance(scale, SpectralScale)
            ]
    return found
