"""NEFT by the true norm: the tail is non-expansive as an operator, which the paper's NEFT is not.

Every convolution and linear layer of the tail computes with W_eff = beta * W / norm(W), where the norm is
that of the layer on feature maps of its own size, zero padding and stride included, and beta <= 1. Where
batch norm would stretch a channel, its output is shrunk until it does not. With averaged residuals each
block is then at most 1-Lipschitz in L2, the head at most beta.

While the tail is trained, a convolution's norm is followed by power iteration through the layer, one step
a pass, which is a little too low (Miyato et al., ICLR 2018, use it on the reshaped kernel); a linear layer
is its own reshaped kernel. ``bake`` then divides by the bound of ``cartl_core.nn.gram_iteration`` instead, so
that ``cartl_core.nn.lipschitz.audit_tail`` proves beta of each layer and 1 of each block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_input
from torch.nn.utils import parametrize

from cartl_core.nn.gram_iteration import convolution_upper_bound, linear_upper_bound
from cartl_core.nn.module_state import preserve_model_state
from cartl_core.nn.neft import SpectralScale, tuned_layers
from cartl_core.nn.network import Residual

TINY = 1e-12
FIRST_STEPS = 50
SHAVED = 1e-6
"""What is taken off a baked layer that float32 rounded above its limit."""


class OperatorScale(nn.Module):
    """The map W -> beta * W / norm of the convolution with W, by power iteration through it.

    ``u`` (1, in, H, W) and ``v`` (1, out, H', W') approximate the leading singular vectors. They move by
    one iteration in each pass in train mode that records gradients, and at no other time.
    """

    u: Tensor
    v: Tensor

    def __init__(
        self, layer: nn.Conv2d, beta: float, size: Sequence[int], generator: torch.Generator
    ) -> None:
        super().__init__()
        self.beta = beta
        self.size = tuple(size)
        if isinstance(layer.padding, str):
            raise ValueError(f"padding must be given in numbers, not {layer.padding}")
        self._settings = (layer.stride, layer.padding)
        weight = layer.weight.detach()
        start = torch.randn((1, layer.in_channels, *self.size), generator=generator)
        self.register_buffer("u", _unit(start.to(weight)))
        self.register_buffer("v", _unit(self._forth(weight)))
        for _ in range(FIRST_STEPS):
            self._iterate(weight)

    def forward(self, weight: Tensor) -> Tensor:
        """weight: (out, in, kh, kw); returns W_eff, in full precision also under autocast."""
        with torch.autocast(weight.device.type, enabled=False):
            if self.training and torch.is_grad_enabled():
                self._iterate(weight.detach())
            # Copies, so that a second pass before the backward one may move the buffers.
            norm = (self.v.clone() * self._forth(weight)).sum()
            return weight * (self.beta / norm.clamp_min(TINY))

    @torch.no_grad()
    def _iterate(self, weight: Tensor) -> None:
        back: Tensor = conv2d_input(self.u.shape, weight, self.v, *self._settings)
        self.u.copy_(_unit(back))
        self.v.copy_(_unit(self._forth(weight)))

    def _forth(self, weight: Tensor) -> Tensor:
        return functional.conv2d(self.u.clone(), weight, None, *self._settings)


class Shrunk(nn.Module):
    """Weight or bias of a batch norm, each channel times min(1, sqrt(var + eps) / |gamma|).

    Both are shrunk alike, so a channel's output is only scaled: which side of the activation a number falls
    on stays the same. gamma is the layer's own weight, var its running variance, both as they are now.
    """

    def __init__(self, layer: nn.BatchNorm2d) -> None:
        super().__init__()
        # In a tuple, or the layer would become a part of its own part.
        self._layer = (layer,)

    def forward(self, values: Tensor) -> Tensor:
        """values: (C,), the weight, or the bias of a layer whose weight is shrunk already; the same back."""
        layer = self._layer[0]
        gamma = values
        if parametrize.is_parametrized(layer, "weight"):
            gamma = layer.get_parameter("parametrizations.weight.original")
        return values * (_deviation(layer) / gamma.abs().clamp_min(TINY)).clamp(max=1.0)


def apply_operator(tail: nn.Module, beta: float, example: Tensor, generator: torch.Generator) -> None:
    """Make ``tail`` non-expansive in place by the true norms of its layers.

    Args:
        tail: what is tuned; its batch norms have weight, bias and running statistics.
        beta: norm of each convolution and linear layer, above 0 and at most 1.
        example: any input (1, ...) of the tail, for the sizes of its feature maps.
        generator: draws where power iteration starts.

    Raises:
        ValueError: beta is out of range, or a layer is parametrised already.
    """
    if not 0 < beta <= 1:
        raise ValueError(f"beta={beta} must be above 0 and at most 1 with the operator norm")
    if any(parametrize.is_parametrized(layer) for layer in tail.modules()):
        raise ValueError("the tail is non-expansive already")
    sizes = _input_sizes(tail, example)
    for name, layer in tuned_layers(tail):
        scale = (
            SpectralScale(layer.weight, beta)
            if isinstance(layer, nn.Linear)
            else OperatorScale(layer, beta, sizes[name], generator)
        )
        parametrize.register_parametrization(layer, "weight", scale)
    for module in list(tail.modules()):
        if isinstance(module, nn.BatchNorm2d):
            for part in ("weight", "bias"):
                parametrize.register_parametrization(module, part, Shrunk(module))
        elif isinstance(module, Residual):
            module.average = True


def bake_operator(tail: nn.Module) -> None:
    """Write the effective weights into plain layers, each proven to be within its limit, in place."""
    with torch.no_grad():
        for _, layer in tuned_layers(tail):
            if parametrize.is_parametrized(layer, "weight"):
                scale = layer.get_submodule("parametrizations.weight.0")
                parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
                _prove(layer, scale)
        for module in tail.modules():
            if isinstance(module, nn.BatchNorm2d) and parametrize.is_parametrized(module):
                # The bias first: it looks at the weight's parameter.
                for part in ("bias", "weight"):
                    parametrize.remove_parametrizations(module, part, leave_parametrized=True)
                limit = (1 - SHAVED) * _deviation(module)
                module.weight.copy_(module.weight.clamp(-limit, limit))


def _prove(layer: nn.Conv2d | nn.Linear, scale: nn.Module) -> None:
    """Scale the plain weight down until its bound is at most beta."""
    assert isinstance(scale, (OperatorScale, SpectralScale))
    while (bound := _bound(layer, scale)) > scale.beta:
        layer.weight.mul_((1 - SHAVED) * scale.beta / bound)


def _bound(layer: nn.Conv2d | nn.Linear, scale: OperatorScale | SpectralScale) -> float:
    if isinstance(scale, OperatorScale):
        assert isinstance(layer, nn.Conv2d)
        return convolution_upper_bound(layer, scale.size)
    return linear_upper_bound(layer.weight)


def _input_sizes(tail: nn.Module, example: Tensor) -> dict[str, tuple[int, ...]]:
    """(H, W) of what each convolution sees."""
    sizes: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda layer, inputs: sizes.update({name: tuple(inputs[0].shape[2:])})

    hooks = [
        layer.register_forward_pre_hook(note(name))
        for name, layer in tuned_layers(tail)
        if isinstance(layer, nn.Conv2d)
    ]
    try:
        with preserve_model_state(tail), torch.no_grad():
            tail(example)
    finally:
        for hook in hooks:
            hook.remove()
    return sizes


def _deviation(layer: nn.BatchNorm2d) -> Tensor:
    assert layer.running_var is not None
    return (layer.running_var + layer.eps).sqrt()


def _unit(values: Tensor) -> Tensor:
    unit: Tensor = values / torch.linalg.vector_norm(values).clamp_min(TINY)
    return unit
