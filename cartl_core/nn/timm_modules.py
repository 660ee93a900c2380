"""Modules of timm for the layers of ``catalog.architectures.token_layers``, imported at first use.

Without stochastic depth and dropout, so that a network draws no random numbers. The shapes are those of the
catalog behind a first axis of N images.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from cartl_core.catalog.architectures import token_layers
from cartl_core.catalog.architectures.token_layers import MLP_RATIO
from cartl_core.compat.torchvision_import import import_torchvision


class Tokens(nn.Module):
    """Images (N, C, H, W) to a class token before those of the patches, with their positions: (N, T, D)."""

    def __init__(self, layer: token_layers.PatchTokens) -> None:
        super().__init__()
        self.patch_embed: nn.Module = _timm("layers").PatchEmbed(
            img_size=layer.side, patch_size=layer.patch, in_chans=layer.channels, embed_dim=layer.width
        )
        self.cls_token = nn.Parameter(torch.empty(1, 1, layer.width))
        self.pos_embed = nn.Parameter(torch.empty(1, layer.tokens, layer.width))

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W); returns (N, T, D)."""
        patches = self.patch_embed(x)
        # A shape, not len(x), which would fix the size of the batch in an exported graph.
        return torch.cat([self.cls_token.expand(x.shape[0], -1, -1), patches], dim=1) + self.pos_embed


class FirstToken(nn.Module):
    """The class token of (N, T, D): (N, D)."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, T, D); returns (N, D)."""
        return x[:, 0]


class GridMean(nn.Module):
    """Mean over a grid of tokens: (N, H, W, D) to (N, D)."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, H, W, D); returns (N, D)."""
        return x.mean(dim=(1, 2))


def _timm(module: str) -> Any:
    # timm imports torchvision, which may not load on its own.
    import_torchvision()
    return import_module(f"timm.{module}")


def _patch_grid(layer: token_layers.PatchGrid) -> nn.Module:
    module: nn.Module = _timm("layers").PatchEmbed(
        img_size=layer.side,
        patch_size=layer.patch,
        in_chans=layer.channels,
        embed_dim=layer.width,
        norm_layer=nn.LayerNorm,
        output_fmt="NHWC",
    )
    return module


def _vit_block(layer: token_layers.VitBlock) -> nn.Module:
    module: nn.Module = _timm("models.vision_transformer").Block(
        layer.width, layer.heads, mlp_ratio=MLP_RATIO, qkv_bias=True
    )
    return module


def _swin_block(layer: token_layers.SwinBlock) -> nn.Module:
    module: nn.Module = _timm("models.swin_transformer").SwinTransformerBlock(
        dim=layer.width,
        input_resolution=(layer.side, layer.side),
        num_heads=layer.heads,
        window_size=layer.window,
        shift_size=layer.window // 2 if layer.shifted else 0,
        mlp_ratio=MLP_RATIO,
    )
    return module


def _patch_merging(layer: token_layers.PatchMerging) -> nn.Module:
    module: nn.Module = _timm("models.swin_transformer").PatchMerging(layer.width)
    return module


def _convnext_block(layer: token_layers.ConvNextBlock) -> nn.Module:
    module: nn.Module = _timm("models.convnext").ConvNeXtBlock(layer.width, mlp_ratio=MLP_RATIO)
    return module


def _channel_norm(layer: token_layers.ChannelNorm) -> nn.Module:
    module: nn.Module = _timm("layers").LayerNorm2d(layer.width)
    return module


TOKEN_MODULES: dict[type, Callable[[Any], nn.Module]] = {
    token_layers.FeatureNorm: lambda layer: nn.LayerNorm(layer.width, eps=layer.eps),
    token_layers.ChannelNorm: _channel_norm,
    token_layers.PatchTokens: Tokens,
    token_layers.PatchGrid: _patch_grid,
    token_layers.VitBlock: _vit_block,
    token_layers.SwinBlock: _swin_block,
    token_layers.PatchMerging: _patch_merging,
    token_layers.ConvNextBlock: _convnext_block,
    token_layers.ClassToken: lambda layer: FirstToken(),
    token_layers.GridPool: lambda layer: GridMean(),
}


def fill_computed_buffers(network: nn.Module) -> None:
    """Compute the buffers that a file does not hold: Swin's masks and the offsets inside of its windows."""
    for module in network.modules():
        fill = getattr(module, "init_non_persistent_buffers", None)
        if callable(fill):
            fill()
