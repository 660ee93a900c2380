"""What a module carries beside its weights: modes, ``requires_grad``, and the statistics of batch norm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
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
        with parametrize.cached():
            yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)
        for module, training in modes:
            module.training = training


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
