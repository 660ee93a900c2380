"""A proven Lipschitz constant of a network's tail, or of all of it: layer bounds, multiplied up.

Constants are in L2 and of eval mode. One layer after another multiplies, a residual sum adds (Szegedy et
al., ICLR 2014, arXiv 1312.6199, section 4.3); an averaged one halves that. Each result is rounded up, so
the constant holds for the exact function of the stored weights; what float32 adds when the network is
run is not in it.

``RULES`` knows each layer that our networks are made of, by its exact class: what is not in it, or is
parametrised still, is not certified.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, nextafter, sqrt
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from cartl_core.nn.gram_iteration import EPSILON, convolution_upper_bound, linear_upper_bound
from cartl_core.nn.network import GlobalPool, Normalize, Residual
from cartl_core.nn.operator_norm import convolution_norm, reshaped_sigma
from cartl_core.report.certificates import BlockAudit, LayerAudit, TailAudit

Shape = tuple[int, ...]
POWER_STEPS = 30
SILU_SLOPE = 1.0999
"""Above the steepest slope of x times the logistic function of x, 1.09984 at x = 2.3994."""


def audit_tail(upper: nn.Module, feature_shape: Shape, generator: torch.Generator) -> TailAudit:
    """How far ``upper`` can move its logits apart when its features move apart by 1, at most.

    Args:
        upper: the tail of ``network.split(freeze_depth)``, its blocks in order; baked.
        feature_shape: (C, H, W) of its input, or (F,) where only the head is tuned.
        generator: draws where power iteration starts; the bounds do not depend on it.

    Raises:
        ValueError: a layer is of a kind that has no rule, or its weights are not finite.
    """
    if type(upper) is not nn.Sequential:
        raise ValueError(f"a tail is a sequence of blocks, not a {type(upper).__name__}")
    walk, bound, shape, blocks = _Walk(generator), 1.0, feature_shape, []
    for name, block in upper.named_children():
        passage = walk.through(name, block, shape)
        bound, shape = up(bound * passage.bound), passage.shape
        blocks.append(BlockAudit(name=name, upper_bound=passage.bound))
    return TailAudit(
        feature_shape=feature_shape, layers=tuple(walk.rows), blocks=tuple(blocks), tail_constant=bound
    )


def up(value: float) -> float:
    """The next number above: covers the rounding of one operation."""
    return nextafter(value, inf)


@dataclass(frozen=True)
class Passage:
    """What a module does to distances, and the shape that leaves it (batch apart)."""

    bound: float
    shape: Shape


@dataclass
class _Walk:
    """One way through a tail: a row for each layer met."""

    generator: torch.Generator
    rows: list[LayerAudit] = field(default_factory=list)

    def through(self, name: str, module: nn.Module, shape: Shape) -> Passage:
        rule = RULES.get(type(module))
        if rule is None:
            raise ValueError(f"{name} is a {type(module).__name__}, which no bound is known for")
        return rule(self, name, module, shape)

    def row(self, **facts: Any) -> None:
        self.rows.append(LayerAudit(**facts))


def _sequence(walk: _Walk, name: str, module: nn.Sequential, shape: Shape) -> Passage:
    bound = 1.0
    for part, child in module.named_children():
        passage = walk.through(f"{name}.{part}", child, shape)
        bound, shape = up(bound * passage.bound), passage.shape
    return Passage(bound, shape)


def _residual(walk: _Walk, name: str, module: Residual, shape: Shape) -> Passage:
    before = walk.through(f"{name}.before", module.before, shape)
    shortcut = walk.through(f"{name}.shortcut", module.shortcut, before.shape)
    branch = walk.through(f"{name}.branch", module.branch, before.shape)
    if shortcut.shape != branch.shape:
        raise ValueError(f"{name} adds a branch of {branch.shape} to a shortcut of {shortcut.shape}")
    merged = up(shortcut.bound + branch.bound)
    after = walk.through(f"{name}.after", module.after, branch.shape)
    bound = up(up(before.bound * (merged / 2 if module.average else merged)) * after.bound)
    return Passage(bound, after.shape)


def _convolution(walk: _Walk, name: str, module: nn.Conv2d, shape: Shape) -> Passage:
    _expect(name, shape, module.in_channels, axes=3)
    size = shape[1:]
    bound = convolution_upper_bound(module, size)
    walk.row(
        name=name,
        kind="convolution",
        reshaped_sigma=reshaped_sigma(module.weight),
        power_estimate=convolution_norm(module, size, walk.generator, iterations=POWER_STEPS),
        upper_bound=bound,
    )
    image = torch.empty(1, *shape, device="meta")
    weight = module.weight.detach().to("meta", image.dtype)
    return Passage(
        bound, tuple(functional.conv2d(image, weight, None, module.stride, module.padding).shape[1:])
    )


def _linear(walk: _Walk, name: str, module: nn.Linear, shape: Shape) -> Passage:
    _expect(name, shape, module.in_features, axes=1)
    bound, sigma = linear_upper_bound(module.weight), reshaped_sigma(module.weight)
    walk.row(name=name, kind="linear", reshaped_sigma=sigma, power_estimate=sigma, upper_bound=bound)
    return Passage(bound, (module.out_features,))


def _batch_norm(walk: _Walk, name: str, module: nn.BatchNorm2d, shape: Shape) -> Passage:
    _expect(name, shape, module.num_features, axes=3)
    bound = batch_norm_gain(module)
    walk.row(name=name, kind="batch_norm", upper_bound=bound)
    return Passage(bound, shape)


def _normalisation(walk: _Walk, name: str, module: Normalize, shape: Shape) -> Passage:
    bound = up(1 / float(module.std.min()))
    walk.row(name=name, kind="normalisation", upper_bound=bound)
    return Passage(bound, shape)


def _pool(walk: _Walk, name: str, module: GlobalPool, shape: Shape) -> Passage:
    """The mean of m numbers: a row vector of entries 1 / m, of norm 1 / sqrt(m)."""
    channels, height, width = shape
    bound = up(1 / sqrt(height * width) * (1 + EPSILON))
    walk.row(name=name, kind="pooling", upper_bound=bound)
    return Passage(bound, (channels,))


def _max_pool(walk: _Walk, name: str, module: nn.MaxPool2d, shape: Shape) -> Passage:
    """The largest of numbers moves no further than they do together; each is in w windows: root w."""
    size, stride = module.kernel_size, module.stride
    if module.dilation != 1 or module.ceil_mode or not (isinstance(size, int) and isinstance(stride, int)):
        raise ValueError(f"{name} is a kind of max-pooling that no bound is known for")
    windows = (-(-size // stride)) ** 2
    bound = up(sqrt(windows))
    walk.row(name=name, kind="pooling", upper_bound=bound)
    return Passage(bound, tuple(module(torch.empty(1, *shape, device="meta")).shape[1:]))


def _zero_pad(walk: _Walk, name: str, module: nn.ZeroPad2d, shape: Shape) -> Passage:
    """Zeros around an image add nothing to a distance."""
    return Passage(1.0, tuple(module(torch.empty(1, *shape, device="meta")).shape[1:]))


def _silu(walk: _Walk, name: str, module: nn.SiLU, shape: Shape) -> Passage:
    return Passage(SILU_SLOPE, shape)


def _leaky(walk: _Walk, name: str, module: nn.LeakyReLU, shape: Shape) -> Passage:
    return Passage(max(1.0, abs(module.negative_slope)), shape)


def _unchanged(walk: _Walk, name: str, module: nn.Module, shape: Shape) -> Passage:
    return Passage(1.0, shape)


# By class; each takes the walk, the module's name, the module and the shape of its input.
RULES: dict[type[nn.Module], Callable[[_Walk, str, Any, Shape], Passage]] = {
    nn.Sequential: _sequence,
    Residual: _residual,
    nn.Conv2d: _convolution,
    nn.Linear: _linear,
    nn.BatchNorm2d: _batch_norm,
    Normalize: _normalisation,
    GlobalPool: _pool,
    nn.MaxPool2d: _max_pool,
    nn.ZeroPad2d: _zero_pad,
    nn.SiLU: _silu,
    nn.LeakyReLU: _leaky,
    nn.ReLU: _unchanged,
    nn.Identity: _unchanged,
}


def batch_norm_gain(layer: nn.BatchNorm2d) -> float:
    """max |gamma| / sqrt(running variance + eps): what the layer multiplies by, at most, in eval mode.

    Raises:
        ValueError: the layer keeps no running variance, or a number is not finite.
    """
    variance = layer.running_var
    if variance is None:
        raise ValueError("a batch norm without running statistics has no gain of its own")
    deviation = (variance.detach().double() + layer.eps).sqrt()
    gamma = torch.ones_like(deviation) if layer.weight is None else layer.weight.detach().double()
    gain = float((gamma.abs() / deviation).max())
    if not gain < inf:
        raise ValueError("a batch norm's gain is not finite")
    # A sum, a root and a quotient.
    return gain * (1 + 4 * EPSILON)


def _expect(name: str, shape: Shape, channels: int, *, axes: int) -> None:
    if len(shape) != axes or shape[0] != channels:
        raise ValueError(f"{name} takes {channels} channels in {axes} axes, not {shape}")
