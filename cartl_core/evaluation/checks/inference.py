"""Is each answer one pass of the network on one image? What can be seen from outside.

A network that optimises while it answers takes gradients though nobody asked for any, runs its layers many
times, changes its own weights or statistics, or answers an image by the images beside it. What attacks then
climb is not what it answers, or hardly to be climbed (Tramer et al. 2020, arXiv 2002.08347).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cartl_core.evaluation.checks.outputs import relative_difference
from cartl_core.nn.module_state import preserve_model_state

NEIGHBOURS = 1e-2
"""As a share of an image's largest output: kernels for batches of other sizes differ by less."""


@dataclass(frozen=True)
class Observed:
    """What a network did while it answered.

    Attributes:
        takes_gradients: it computed with gradients though they were switched off.
        runs: the most times that a layer with weights was run.
        changed: its weights or statistics were others afterwards; they were put back.
    """

    takes_gradients: bool
    runs: int
    changed: bool


class _Gradients(TorchFunctionMode):
    """Notes whether anything is computed with gradients switched on."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The function's own value."""
        self.seen = self.seen or torch.is_grad_enabled()
        return func(*args, **(kwargs or {}))


def observe(model: nn.Module, images: Tensor) -> Observed:
    """One answer to ``images`` (N, C, H, W) in [0, 1], watched."""
    runs: Counter[nn.Module] = Counter()

    def count(layer: nn.Module, _: Any) -> None:
        runs[layer] += 1

    weighty = [layer for layer in model.modules() if any(True for _ in layer.parameters(recurse=False))]
    hooks = [layer.register_forward_pre_hook(count) for layer in weighty]
    try:
        with preserve_model_state(model), torch.no_grad():
            kept = [(tensor, tensor.clone()) for tensor in model.state_dict().values()]
            with _Gradients() as gradients:
                model(images)
            # A number that is not one is not equal to itself.
            changed = any(not torch.equal(now.nan_to_num(), before.nan_to_num()) for now, before in kept)
            for now, before in kept if changed else ():
                now.copy_(before)
    finally:
        for hook in hooks:
            hook.remove()
    return Observed(gradients.seen, max(runs.values(), default=0), changed)


def by_neighbours(model: nn.Module, images: Tensor) -> Tensor:
    """(N,) bool: the image gets another output in one half of the batch, turned round."""
    with preserve_model_state(model), torch.no_grad():
        together = model(images)
        apart = torch.cat([model(part) for part in images.flip(0).chunk(2)]).flip(0)
    return relative_difference(together, apart) > NEIGHBOURS
