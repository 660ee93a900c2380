"""A network as an ordered list of blocks that can be split after any of them.

Transfer needs three things of a network: the first blocks as a frozen trunk, the rest as a tail to
tune, and the features between them. With ``lower, upper = network.split(d)`` they are two modules
and one tensor, so nothing needs hooks. Blocks are counted as in Chen et al. (ICML 2021).

Shapes: N images, C channels, H x W pixels, F features at the head, K classes.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from cartl_core.spec.architecture import Architecture as Architecture


class Normalize(nn.Module):
    """Pixels (N, C, H, W) in [0, 1] to (x - mean) / std per channel: the first layer of every network."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W); the same shape back."""
        return (x - self.mean) / self.std


class GlobalPool(nn.Module):
    """Mean over all positions: (N, F, H, W) to (N, F)."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, F, H, W); returns (N, F)."""
        # Not AdaptiveAvgPool2d: its gradient on CUDA has no deterministic implementation.
        return x.mean(dim=(2, 3))


class Residual(nn.Module):
    """after(shortcut(y) + branch(y)) with y = before(x).

    ``average`` turns the sum into (shortcut + branch) / 2, the convex merge of non-expansive tuning.
    """

    def __init__(
        self,
        *,
        branch: nn.Module,
        shortcut: nn.Module | None = None,
        before: nn.Module | None = None,
        after: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.before = before or nn.Identity()
        self.branch = branch
        self.shortcut = shortcut or nn.Identity()
        self.after = after or nn.Identity()
        self.average = False

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W); returns (N, C', H', W')."""
        inner = self.before(x)
        merged: Tensor = self.shortcut(inner) + self.branch(inner)
        outer: Tensor = self.after(merged / 2 if self.average else merged)
        return outer


class Network(nn.Module):
    """Normalisation, stem, then blocks; the last block is the linear head.

    Images go in as (N, C, H, W) in [0, 1]; logits (N, K) come out. The stem and the normalisation
    belong to block 1: they are frozen whenever at least one block is.
    """

    def __init__(self, arch: Architecture, stem: nn.Module, blocks: list[nn.Module]) -> None:
        super().__init__()
        if not isinstance(blocks[-1], nn.Linear):
            raise TypeError("the last block of a network is its linear head")
        self.normalize = Normalize(arch.mean, arch.std)
        self.stem = stem
        self.blocks = nn.ModuleList(blocks)
        self._arch = arch
        if arch.averaged_from is not None:
            for residual in _residuals(self.blocks[arch.averaged_from :]):
                residual.average = True

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) in [0, 1]; returns logits (N, K)."""
        logits: Tensor = self.head(self.penultimate(x))
        return logits

    def penultimate(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) in [0, 1]; returns the head's input (N, F)."""
        x = self.stem(self.normalize(x))
        for block in self.blocks[:-1]:
            x = block(x)
        return x

    @property
    def block_count(self) -> int:
        """Number of blocks B, the head included."""
        return len(self.blocks)

    @property
    def head(self) -> nn.Linear:
        """The last block: features (N, F) to logits (N, K)."""
        head = self.blocks[-1]
        assert isinstance(head, nn.Linear)
        return head

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images that it takes."""
        model = self._arch.model
        return model.channels, model.image_size, model.image_size

    @property
    def arch(self) -> Architecture:
        """What builds this network again, as it is now: its classes and how its blocks merge."""
        averaged = [
            index
            for index, block in enumerate(self.blocks)
            if any(residual.average for residual in _residuals([block]))
        ]
        first = averaged[0] if averaged else None
        if first is not None and not all(residual.average for residual in _residuals(self.blocks[first:])):
            raise ValueError(
                f"blocks after {first} merge by a sum, so no single index describes this network"
            )
        return self._arch.model_copy(update={"classes": self.head.out_features, "averaged_from": first})

    def split(self, freeze_depth: int) -> tuple[nn.Module, nn.Module]:
        """Trunk and tail: (normalisation, stem and the first ``freeze_depth`` blocks, all later blocks).

        The two share this network's modules, so tuning the tail tunes the network, and
        ``upper(lower(x))`` has the very bits of ``network(x)``. At depth 0 the trunk is an identity.
        A split made before ``replace_head`` keeps the old head.

        Raises:
            ValueError: ``freeze_depth`` is not in 0 to B - 1.
        """
        if not 0 <= freeze_depth < self.block_count:
            raise ValueError(
                f"freeze_depth={freeze_depth}, but this network allows 0 to {self.block_count - 1}"
            )
        entry: list[tuple[str, nn.Module]] = [("normalize", self.normalize), ("stem", self.stem)]
        blocks: list[tuple[str, nn.Module]] = [
            (f"block{index}", block) for index, block in enumerate(self.blocks, start=1)
        ]
        if freeze_depth == 0:
            return nn.Identity(), nn.Sequential(OrderedDict(entry + blocks))
        lower = nn.Sequential(OrderedDict(entry + blocks[:freeze_depth]))
        return lower, nn.Sequential(OrderedDict(blocks[freeze_depth:]))

    def replace_head(self, classes: int, generator: torch.Generator) -> None:
        """A fresh head of ``classes`` outputs, PyTorch's default initialisation drawn from ``generator``."""
        self.blocks[-1] = fresh_head(self.head, classes, generator)


def fresh_head(old: nn.Linear, classes: int, generator: torch.Generator) -> nn.Linear:
    """A new head of ``classes`` outputs on the features of ``old``; every number comes from ``generator``."""
    head = nn.Linear(old.in_features, classes, device="meta").to_empty(device="cpu")
    initialise(head, generator)
    # The old weight's device and type, whatever it is parametrised by.
    return head.to(old.weight)


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Give every layer its initial values, drawn in module order from ``generator`` alone.

    Convolutions: normal with variance 2 / (out * kh * kw) (He et al. 2015, fan out). Linear layers:
    PyTorch's default, uniform in +-1 / sqrt(in) for weight and bias. Norms: the identity. Biases of
    convolutions are zero; parameters of a module itself, e.g. the positions of tokens, are normal with
    deviation 0.02.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            bound = layer.in_features**-0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            if layer.bias is not None:
                nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
        elif isinstance(layer, nn.BatchNorm2d | nn.LayerNorm):
            layer.reset_parameters()
        else:
            for parameter in layer.parameters(recurse=False):
                nn.init.normal_(parameter, std=0.02, generator=generator)


def _residuals(blocks: nn.ModuleList | list[nn.Module]) -> list[Residual]:
    return [module for block in blocks for module in block.modules() if isinstance(module, Residual)]
