"""What a module carries beside its weights: modes, ``requires_grad``, and the statistics of batch norm."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.utils import parametrize

BATCH_NORM = (nn.BatchNorm1d, nn.BatchNorm2d)
NORMALISATION = (
    nn.modules.batchnorm._NormBase,  # batch and instance norm
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
)


@contextmanager
def preserve_model_state(model: nn.Module) -> Iterator[None]:
    """Within: ``model`` is in eval mode and none of its parameters asks for a gradient.

    Afterwards, also after an error, every mode and every ``requires_grad`` is what it was. Weights,
    gradients and buffers are never written. Reparametrised weights are computed once, not once a
    pass, so nothing within may change them. May be nested.
    """
    modes = [(module, module.training) for module in model.modules()]
    asking = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for module, _ in modes:
            module.training = False
        for parameter in asking:
            parameter.requires_grad_(False)
        with _weights_computed_once(model):
            yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)
        for module, training in modes:
            module.training = training


@contextmanager
def _weights_computed_once(model: nn.Module) -> Iterator[None]:
    """Within: a reparametrised weight of ``model`` is computed when it is first read, and kept.

    ``parametrize.cached`` does so for all networks of the process: those that other threads train as well.
    """
    parts = [part for part in model.modules() if isinstance(part, parametrize.ParametrizationList)]
    before = [vars(part).get("forward") for part in parts]
    for part in parts:
        vars(part)["forward"] = _Once(part.forward)
    try:
        yield
    finally:
        for part, outer in zip(parts, before, strict=True):
            if outer is None:
                del vars(part)["forward"]
            else:
                vars(part)["forward"] = outer


class _Once:
    """Gives what ``compute`` gave the first time; a copy of its module computes each time."""

    def __init__(self, compute: Callable[[], Tensor]) -> None:
        self._compute, self._found = compute, list[Tensor]()

    def __call__(self) -> Tensor:
        if not self._found:
            self._found.append(self._compute())
        return self._found[0]

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[[], Tensor]:
        return copy.deepcopy(self._compute, memo)


def biases_and_norms(module: nn.Module) -> Iterator[nn.Parameter]:
    """The parameters that BitFit tunes: every bias, and all that normalisation layers have."""
    for layer in module.modules():
        whole = isinstance(layer, NORMALISATION)
        for name, parameter in layer.named_parameters(recurse=False):
            if whole or name == "bias" or name.endswith("_bias"):
                yield parameter


def batch_norms(module: nn.Module) -> list[nn.BatchNorm1d | nn.BatchNorm2d]:
    """All batch-norm layers of ``module``."""
    return [layer for layer in module.modules() if isinstance(layer, BATCH_NORM)]
