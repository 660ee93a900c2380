"""Layers of transformers and of ConvNeXt as values; timm has their modules (``cartl_core.nn.timm_modules``).

Shapes, the batch apart: (T, D) of T tokens, (H, W, D) of a grid of tokens, (C, H, W) and (F,) as in
``layers``.
The names of the tensors are timm's. Attention counts for multiply-adds; norms do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cartl_core.catalog.architectures.layers import (
    Conv,
    Linear,
    Passage,
    Shape,
    StoredTensor,
    expect,
    under,
)

MLP_RATIO = 4


@dataclass(frozen=True)
class FeatureNorm:
    """Layer normalisation over the last axis."""

    width: int
    eps: float = 1e-6

    def tensors(self) -> Iterator[StoredTensor]:
        """Weight and bias."""
        yield StoredTensor("weight", (self.width,))
        yield StoredTensor("bias", (self.width,))

    def passage(self, shape: Shape) -> Passage:
        """(..., width), unchanged."""
        if shape[-1] != self.width:
            raise ValueError(f"{self} takes {self.width} numbers in its last axis, not {shape}")
        return Passage(shape)


@dataclass(frozen=True)
class ChannelNorm:
    """Layer normalisation of each position over its channels."""

    width: int

    def tensors(self) -> Iterator[StoredTensor]:
        """Weight and bias."""
        yield from FeatureNorm(self.width).tensors()

    def passage(self, shape: Shape) -> Passage:
        """(width, H, W), unchanged."""
        expect(self, shape, self.width, axes=3)
        return Passage(shape)


@dataclass(frozen=True)
class PatchTokens:
    """A class token before one token for each patch of an image, plus the embedding of their positions."""

    channels: int
    width: int
    patch: int
    side: int

    @property
    def tokens(self) -> int:
        """How many."""
        return (self.side // self.patch) ** 2 + 1

    @property
    def _projection(self) -> Conv:
        return Conv(self.channels, self.width, self.patch, self.patch, pad=0, bias=True)

    def tensors(self) -> Iterator[StoredTensor]:
        """The class token, the positions, and the projection of a patch."""
        yield StoredTensor("cls_token", (1, 1, self.width))
        yield StoredTensor("pos_embed", (1, self.tokens, self.width))
        yield from under("patch_embed.proj", self._projection)

    def passage(self, shape: Shape) -> Passage:
        """(channels, side, side) to (T, width)."""
        if shape != (self.channels, self.side, self.side):
            raise ValueError(f"{self} does not take {shape}")
        return Passage((self.tokens, self.width), self._projection.passage(shape).macs)


@dataclass(frozen=True)
class PatchGrid:
    """A token for each patch of an image, normalised."""

    channels: int
    width: int
    patch: int
    side: int

    @property
    def _projection(self) -> Conv:
        return Conv(self.channels, self.width, self.patch, self.patch, pad=0, bias=True)

    def tensors(self) -> Iterator[StoredTensor]:
        """The projection of a patch and its norm."""
        yield from under("proj", self._projection)
        yield from under("norm", FeatureNorm(self.width))

    def passage(self, shape: Shape) -> Passage:
        """(channels, side, side) to (H, W, width)."""
        if shape != (self.channels, self.side, self.side):
            raise ValueError(f"{self} does not take {shape}")
        passage = self._projection.passage(shape)
        return Passage((*passage.shape[1:], self.width), passage.macs)


@dataclass(frozen=True)
class VitBlock:
    """Attention of all tokens to all, then two linear layers, each behind a norm and around a shortcut."""

    width: int
    heads: int

    def tensors(self) -> Iterator[StoredTensor]:
        """Two norms, the attention and the linear layers."""
        yield from under("norm1", FeatureNorm(self.width))
        yield from under("attn.qkv", Linear(self.width, 3 * self.width))
        yield from under("attn.proj", Linear(self.width, self.width))
        yield from under("norm2", FeatureNorm(self.width))
        yield from _mlp(self.width)

    def passage(self, shape: Shape) -> Passage:
        """(T, width), unchanged."""
        if len(shape) != 2 or shape[1] != self.width:
            raise ValueError(f"{self} takes tokens of {self.width} numbers, not {shape}")
        tokens = shape[0]
        return Passage(shape, _block_macs(tokens, self.width, seen=tokens))


@dataclass(frozen=True)
class SwinBlock:
    """As ``VitBlock``, with attention inside of windows of a grid; ``shifted`` by half of one."""

    width: int
    heads: int
    side: int
    window: int
    shifted: bool

    @property
    def reach(self) -> int:
        """The side of a window: no larger than the grid."""
        return min(self.side, self.window)

    def tensors(self) -> Iterator[StoredTensor]:
        """As ``VitBlock``, with a bias for each offset inside of a window and each head."""
        yield from under("norm1", FeatureNorm(self.width))
        yield StoredTensor("attn.relative_position_bias_table", ((2 * self.reach - 1) ** 2, self.heads))
        yield from under("attn.qkv", Linear(self.width, 3 * self.width))
        yield from under("attn.proj", Linear(self.width, self.width))
        yield from under("norm2", FeatureNorm(self.width))
        yield from _mlp(self.width)

    def passage(self, shape: Shape) -> Passage:
        """(side, side, width), unchanged; windows that stick out are counted whole."""
        if shape != (self.side, self.side, self.width):
            raise ValueError(f"{self} does not take {shape}")
        windows = (-(-self.side // self.reach)) ** 2
        linear = _block_macs(self.side**2, self.width, seen=0)
        return Passage(shape, linear + windows * 2 * self.reach**4 * self.width)


@dataclass(frozen=True)
class PatchMerging:
    """Four neighbours of a grid become one token of twice the width."""

    width: int

    def tensors(self) -> Iterator[StoredTensor]:
        """A norm and a linear layer without bias."""
        yield from under("norm", FeatureNorm(4 * self.width))
        yield StoredTensor("reduction.weight", (2 * self.width, 4 * self.width))

    def passage(self, shape: Shape) -> Passage:
        """(H, W, width) to (H / 2, W / 2, 2 width), rounded up."""
        if len(shape) != 3 or shape[2] != self.width:
            raise ValueError(f"{self} takes a grid of {self.width} numbers, not {shape}")
        height, width = (-(-side // 2) for side in shape[:2])
        return Passage((height, width, 2 * self.width), height * width * 8 * self.width**2)


@dataclass(frozen=True)
class ConvNextBlock:
    """A 7x7 convolution of each channel, a norm, two linear layers, a scale; around them a shortcut."""

    width: int

    def tensors(self) -> Iterator[StoredTensor]:
        """In timm's order."""
        yield StoredTensor("gamma", (self.width,))
        yield StoredTensor("conv_dw.weight", (self.width, 1, 7, 7))
        yield StoredTensor("conv_dw.bias", (self.width,))
        yield from under("norm", FeatureNorm(self.width))
        yield from _mlp(self.width)

    def passage(self, shape: Shape) -> Passage:
        """(width, H, W), unchanged."""
        expect(self, shape, self.width, axes=3)
        positions = shape[1] * shape[2]
        return Passage(shape, positions * self.width * (49 + 2 * MLP_RATIO * self.width))


@dataclass(frozen=True)
class ClassToken:
    """The first of the tokens."""

    def tensors(self) -> Iterator[StoredTensor]:
        """None."""
        yield from ()

    def passage(self, shape: Shape) -> Passage:
        """(T, D) to (D,)."""
        if len(shape) != 2:
            raise ValueError(f"tokens are of shape (T, D), not {shape}")
        return Passage(shape[1:])


@dataclass(frozen=True)
class GridPool:
    """Mean over a grid of tokens."""

    def tensors(self) -> Iterator[StoredTensor]:
        """None."""
        yield from ()

    def passage(self, shape: Shape) -> Passage:
        """(H, W, D) to (D,)."""
        if len(shape) != 3:
            raise ValueError(f"a grid is of shape (H, W, D), not {shape}")
        return Passage(shape[2:])


def _mlp(width: int) -> Iterator[StoredTensor]:
    yield from under("mlp.fc1", Linear(width, MLP_RATIO * width))
    yield from under("mlp.fc2", Linear(MLP_RATIO * width, width))


def _block_macs(tokens: int, width: int, *, seen: int) -> int:
    """Of a transformer's block in which each token attends to ``seen`` ones."""
    return tokens * width * ((4 + 2 * MLP_RATIO) * width + 2 * seen)
