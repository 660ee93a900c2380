"""A network whose steps are the identity on the way back, for attacks that go through them.

Rounding, thresholds and detached tensors have no gradient, or none that tells where the loss goes. Forth the
network is what it is; back, the gradient passes such a function as if it were the identity (backward pass
differentiable approximation, Athalye et al. 2018, arXiv 1802.00420, section 4.1.2). Replaced are calls of
the functions of ``PASSED`` and layers without weights that are no part of torch or of this library and give
as many numbers as they take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

FIRST, BOTH = slice(0, 1), slice(1, 3)
"""Arguments whose gradient passes: of a function of one tensor, and of ``where``."""


def _named(names: str) -> Iterator[Callable[..., Any]]:
    for name in names.split():
        for place in (torch, torch.Tensor):
            if hasattr(place, name):
                yield getattr(place, name)


PASSED: dict[Callable[..., Any], slice] = {
    **dict.fromkeys(_named("round floor ceil trunc fix sign sgn detach clamp clip heaviside"), FIRST),
    **dict.fromkeys(_named("where"), BOTH),
}
TRUSTED = ("torch.", "torchvision.", "timm.", "cartl_core.")
"""Packages whose layers have the gradient that they should have."""


class StraightThrough(nn.Module):
    """``model`` forth; back, what hides its gradient is the identity."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.passed = 0
        """Calls that were replaced so far."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) in [0, 1]; returns (N, K)."""
        logits: Tensor
        if not torch.is_grad_enabled():
            logits = self.model(x)
            return logits
        with _Functions(self), self._layers():
            logits = self.model(x)
        return logits

    @contextmanager
    def _layers(self) -> Iterator[None]:
        hooks = [
            layer.register_forward_hook(self._through) for layer in self.model.modules() if _is_opaque(layer)
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _through(self, _: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        """A forward hook: the output with the gradient of the only input."""
        if len(inputs) != 1 or not _same_kind(inputs[0], output):
            return output
        self.passed += 1
        return _through(output, inputs[0])


class _Functions(TorchFunctionMode):
    """Within: the functions of ``PASSED`` pass the gradient on."""

    def __init__(self, owner: StraightThrough) -> None:
        super().__init__()
        self.owner = owner

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The function's own value, with another gradient."""
        value = func(*args, **(kwargs or {}))
        if func not in PASSED or not isinstance(value, Tensor) or not value.is_floating_point():
            return value
        through = [one for one in args[PASSED[func]] if isinstance(one, Tensor) and one.requires_grad]
        if not through:
            return value
        self.owner.passed += 1
        return _through(value, *through)


class _Identity(torch.autograd.Function):
    """The first tensor; its gradient goes to all others."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, *inputs: Tensor) -> Tensor:
        ctx.shapes = [one.shape for one in inputs]
        return value.detach().clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return None, *(gradients[0].sum_to_size(shape) for shape in ctx.shapes)


def _through(value: Tensor, *inputs: Tensor) -> Tensor:
    """``value``, whose gradient goes to the inputs."""
    passed: Tensor = _Identity.apply(value, *inputs)  # type: ignore[no-untyped-call]
    return passed


def hides_gradients(model: nn.Module, image: Tensor) -> bool:
    """Whether anything of ``model`` would be replaced, by one pass of an image (1, C, H, W)."""
    through = StraightThrough(model)
    with torch.enable_grad():
        through(image.detach().clone().requires_grad_(True))
    return through.passed > 0


def _is_opaque(layer: nn.Module) -> bool:
    """A layer by itself, without weights, of somebody else."""
    known = (type(layer).__module__ + ".").startswith(TRUSTED)
    alone = not any(layer.children()) and not any(True for _ in layer.parameters())
    return alone and not known


def _same_kind(given: Any, output: Any) -> bool:
    both = isinstance(given, Tensor) and isinstance(output, Tensor)
    return both and given.shape == output.shape and given.requires_grad and output.is_floating_point()
