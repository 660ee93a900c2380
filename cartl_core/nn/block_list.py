"""A network of a person's own as blocks: any modules in a row, the last one a linear head.

It offers what transfer needs of a network: ``split``, ``head``, ``replace_head``. Shapes: N images, C
channels, H x W pixels, F features at the head, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from copy import deepcopy
from math import isfinite

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from cartl_core.errors import ArgumentInvalid
from cartl_core.nn.network import Network, Normalize, fresh_head


class BlockList(nn.Module):
    """Blocks one after the other; normalisation, if there is one, comes before them and goes with block 1.

    Args:
        normalize: what images (N, C, H, W) in [0, 1] go through first.
        blocks: at least two, the last one an ``nn.Linear`` that takes (N, F).
        image_shape: (C, H, W) of the images that it takes.
    """

    def __init__(
        self, normalize: nn.Module, blocks: Sequence[nn.Module], image_shape: tuple[int, int, int]
    ) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.normalize = normalize
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) in [0, 1]; returns logits (N, K)."""
        x = self.normalize(x)
        for block in self.blocks:
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

    def split(self, freeze_depth: int) -> tuple[nn.Module, nn.Module]:
        """Trunk and tail, as ``cartl_core.nn.network.Network.split``; at depth 0 the trunk is an identity."""
        named = [(f"block{number}", block) for number, block in enumerate(self.blocks, start=1)]
        entry = [("normalize", self.normalize)]
        if freeze_depth == 0:
            return nn.Identity(), nn.Sequential(OrderedDict(entry + named))
        lower = nn.Sequential(OrderedDict(entry + named[:freeze_depth]))
        return lower, nn.Sequential(OrderedDict(named[freeze_depth:]))

    def replace_head(self, classes: int, generator: torch.Generator) -> None:
        """A fresh head of ``classes`` outputs, PyTorch's default initialisation drawn from ``generator``."""
        self.blocks[-1] = fresh_head(self.head, classes, generator)


BlockNetwork = Network | BlockList
"""What can be tuned: a network of ours, or a person's own blocks."""


def as_block_network(
    network: nn.Module | Sequence[nn.Module],
    image_shape: tuple[int, int, int],
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> BlockNetwork:
    """A copy of ``network`` that can be split, on its device.

    Args:
        network: one of ours, which normalises by itself; or blocks, a list or an ``nn.Sequential``.
        image_shape: (C, H, W) of the images that it is to take.
        mean: of each channel, subtracted before the first block; None: the blocks take images in [0, 1].
        std: likewise; each channel is divided by it.

    Raises:
        ArgumentInvalid: it is no such network, or its blocks share parameters; it names the argument.
    """
    if isinstance(network, Network | BlockList):
        if mean is not None or std is not None:
            raise ArgumentInvalid("mean", "this network normalises by itself", allowed="no mean, no std")
        if network.image_shape != image_shape:
            raise ArgumentInvalid(
                "images", f"are of shape {image_shape}", allowed=f"{network.image_shape}, the network's own"
            )
        return _checked(deepcopy(network))
    blocks = list(network) if isinstance(network, nn.Sequential | Sequence) else []
    if len(blocks) < 2 or not all(isinstance(block, nn.Module) for block in blocks):
        raise ArgumentInvalid(
            "network",
            f"is a {type(network).__name__}" + (f" of {len(blocks)}" if blocks else ""),
            allowed="a network of load_network or transfer, or two blocks or more: a list of nn.Modules, an "
            "nn.Sequential",
        )
    if not isinstance(blocks[-1], nn.Linear):
        raise ArgumentInvalid(
            "network",
            f"its last block is a {type(blocks[-1]).__name__}",
            allowed="a last block that is an nn.Linear; pooling and flattening end the block before",
        )
    _check_apart(blocks)
    return _checked(
        deepcopy(BlockList(_normalisation(mean, std, image_shape[0], blocks), blocks, image_shape))
    )


def _checked(network: BlockNetwork) -> BlockNetwork:
    """Single precision throughout, and every weight a plain one."""
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise ArgumentInvalid("network", f"{name} is {tensor.dtype}", allowed="torch.float32")
        if not bool(tensor.isfinite().all()):
            raise ArgumentInvalid("network", f"{name} is not finite", allowed="finite weights")
    for name, layer in network.named_modules():
        if parametrize.is_parametrized(layer):
            raise ArgumentInvalid(
                "network",
                f"{name} is parametrised",
                allowed="plain weights: remove the parametrisation first",
            )
    return network


def _normalisation(
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    channels: int,
    blocks: Sequence[nn.Module],
) -> nn.Module:
    if mean is None and std is None:
        return nn.Identity()
    if mean is None or std is None or not all(map(_are_numbers, (mean, std))) or len(mean) != len(std):
        raise ArgumentInvalid("mean", f"{mean} with std {std}", allowed="both, one number for each channel")
    if len(mean) != channels:
        raise ArgumentInvalid("mean", f"has {len(mean)} numbers", allowed=f"{channels}, one for each channel")
    if not all(map(isfinite, (*mean, *std))) or min(std) <= 0:
        raise ArgumentInvalid("std", f"{tuple(std)} with mean {tuple(mean)}", allowed="finite, std above 0")
    return Normalize(tuple(mean), tuple(std)).to(next(blocks[-1].parameters()).device)


def _are_numbers(values: object) -> bool:
    return isinstance(values, Sequence) and all(
        isinstance(value, float | int) and not isinstance(value, bool) for value in values
    )


def _check_apart(blocks: Sequence[nn.Module]) -> None:
    """What stands in two blocks would be frozen and tuned at once."""
    owner: dict[int, int] = {}
    for number, block in enumerate(blocks, start=1):
        for tensor in (*block.parameters(), *block.buffers()):
            if owner.setdefault(id(tensor), number) != number:
                raise ArgumentInvalid(
                    "network",
                    f"blocks {owner[id(tensor)]} and {number} share parameters",
                    allowed="blocks with parameters of their own",
                )
