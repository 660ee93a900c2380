"""The layouts, a row each. ``docs/how-to/bring-a-teacher.md`` has the table for people."""

from __future__ import annotations

from dataclasses import replace

from cartl_core.catalog.architectures.imagenet_resnet import IMAGENET_SIZES
from cartl_core.catalog.architectures.resnet import SIZES
from cartl_core.catalog.layouts.file_layout import FileLayout
from cartl_core.catalog.layouts.renaming import Renaming
from cartl_core.catalog.layouts.sizes import (
    CIFAR_SIDE,
    IMAGENET_SIDE,
    always,
    convnext_size,
    resnet_size,
    swin_size,
    vit_side,
    vit_size,
    wide_resnet_size,
)


def _resnet_names(shortcut: str, head: str) -> Renaming:
    block = "layer{group}.{position}"
    return Renaming(
        stem={"conv": "conv1", "norm": "bn1"},
        block={
            **{f"branch.conv{number}": f"{block}.conv{number}" for number in (1, 2, 3)},
            **{f"branch.norm{number}": f"{block}.bn{number}" for number in (1, 2, 3)},
            "shortcut.conv": f"{block}.{shortcut}.0",
            "shortcut.norm": f"{block}.{shortcut}.1",
        },
        head=head,
        first_group=1,
    )


_WRN = "block{group}.layer.{position}"
_DM_WRN = "layer.{group}.block.{position}"
_DM_PREACT = "layer_{group}.{position}"
_SWIN = "layers.{group}"
_CONVNEXT = "stages.{group}"

_ROBUSTBENCH_WRN = FileLayout(
    name="robustbench-wrn",
    about="RobustBench's WideResNet, which is that of TRADES",
    computes="ReLU, padding 1, 3x3 stem",
    families=("relu-wrn",),
    renaming=Renaming(
        stem={"": "conv1"},
        block={
            "before.norm1": f"{_WRN}.bn1",
            "branch.norm1": f"{_WRN}.bn1",
            "branch.conv1": f"{_WRN}.conv1",
            "branch.norm2": f"{_WRN}.bn2",
            "branch.conv2": f"{_WRN}.conv2",
            "shortcut": f"{_WRN}.convShortcut",
        },
        closing={"norm": "bn1"},
        head="fc",
        first_group=1,
    ),
    size=wide_resnet_size(r"block(\d+)\.layer\.(\d+)\.", "fc", "bn1", "wrn-{depth}-{width}-relu"),
    image_size=always(CIFAR_SIDE),
    stem="conv1.weight",
)

_ROWS = (
    FileLayout(
        name="torchvision-resnet",
        about="torchvision's ResNet and wide ResNet of ImageNet; the same names in MadryLab's robustness",
        computes="ReLU, padding 1, 7x7 stem of stride 2 with max-pooling",
        families=("imagenet-resnet", "resnet"),
        renaming=_resnet_names("downsample", "fc"),
        size=resnet_size(IMAGENET_SIZES, "torchvision-"),
        image_size=always(IMAGENET_SIDE),
        stem="conv1.weight",
        prefixes=("torchvision-",),
    ),
    _ROBUSTBENCH_WRN,
    replace(
        _ROBUSTBENCH_WRN,
        name="robustbench-wrn-sub",
        about="the same class with sub_block1, a second first group that its forward passes by",
        copied={"sub_block1": "block1"},
    ),
    FileLayout(
        name="robustbench-dm-wrn",
        about="RobustBench's DMWideResNet, DeepMind's",
        computes="SiLU, padding (0, 1, 0, 1) at stride 2 and 1 elsewhere, 3x3 stem",
        families=("dm-wrn",),
        renaming=Renaming(
            stem={"": "init_conv"},
            block={
                "before.norm1": f"{_DM_WRN}.batchnorm_0",
                "branch.norm1": f"{_DM_WRN}.batchnorm_0",
                "branch.conv1.conv": f"{_DM_WRN}.conv_0",
                "branch.norm2": f"{_DM_WRN}.batchnorm_1",
                "branch.conv2": f"{_DM_WRN}.conv_1",
                "shortcut": f"{_DM_WRN}.shortcut",
            },
            closing={"norm": "batchnorm"},
            head="logits",
        ),
        size=wide_resnet_size(
            r"layer\.(\d+)\.block\.(\d+)\.", "logits", "batchnorm", "dm-wrn-{depth}-{width}"
        ),
        image_size=always(CIFAR_SIDE),
        stem="init_conv.weight",
    ),
    FileLayout(
        name="robustbench-dm-preact",
        about="RobustBench's DMPreActResNet, DeepMind's",
        computes="the activation that is told, padding (0, 1, 0, 1) at stride 2 and 1 elsewhere, 3x3 stem",
        families=("dm-preact-resnet",),
        renaming=Renaming(
            stem={"": "conv_2d"},
            block={
                "branch.norm1": f"{_DM_PREACT}.batchnorm_0",
                "branch.conv1.conv": f"{_DM_PREACT}.conv_2d_1",
                "branch.norm2": f"{_DM_PREACT}.batchnorm_1",
                "branch.conv2": f"{_DM_PREACT}.conv_2d_2",
                "shortcut.conv": f"{_DM_PREACT}.shortcut",
            },
            closing={"norm": "batchnorm"},
            head="logits",
        ),
        size=lambda shapes: None,
        image_size=always(CIFAR_SIDE),
        stem="conv_2d.weight",
        choose="its activation, by architecture.name: dm-preact-resnet18-silu, dm-preact-resnet18-relu, "
        "dm-preact-resnet34-silu or dm-preact-resnet34-relu",
    ),
    FileLayout(
        name="cifar-resnet",
        about="the ResNets of CIFAR in RobustBench and in kuangliu's pytorch-cifar",
        computes="ReLU, padding 1, 3x3 stem without pooling",
        families=("resnet",),
        renaming=_resnet_names("shortcut", "linear"),
        size=resnet_size(SIZES),
        image_size=always(CIFAR_SIDE),
        stem="conv1.weight",
    ),
    FileLayout(
        name="timm-resnet",
        about="timm's ResNet, under the names of the catalog",
        computes="ReLU, padding 1, 7x7 stem of stride 2 with max-pooling",
        families=("imagenet-resnet",),
        renaming=_resnet_names("downsample", "fc"),
        size=resnet_size(IMAGENET_SIZES, "timm-"),
        image_size=always(IMAGENET_SIDE),
        stem="conv1.weight",
        prefixes=("timm-",),
    ),
    FileLayout(
        name="timm-convnext",
        about="timm's ConvNeXt, under the names of the catalog",
        computes="as timm",
        families=("timm-convnext",),
        renaming=Renaming(
            stem={"conv": "stem.0", "norm": "stem.1"},
            block={
                "block": f"{_CONVNEXT}.blocks.{{position}}",
                "downsample.norm": f"{_CONVNEXT}.downsample.0",
                "downsample.conv": f"{_CONVNEXT}.downsample.1",
            },
            closing={"norm": "head.norm"},
            head="head.fc",
        ),
        size=convnext_size,
        image_size=always(IMAGENET_SIDE),
        stem="stem.0.weight",
        prefixes=("timm-",),
    ),
    FileLayout(
        name="timm-vit",
        about="timm's ViT and DeiT, under the names of the catalog",
        computes="as timm",
        families=("timm-vit",),
        renaming=Renaming(
            stem={part: part for part in ("cls_token", "pos_embed", "patch_embed")},
            block={part: f"blocks.{{index}}.{part}" for part in ("norm1", "attn", "norm2", "mlp")},
            closing={"norm": "norm"},
            head="head",
        ),
        size=vit_size,
        image_size=vit_side,
        stem="patch_embed.proj.weight",
        prefixes=("timm-",),
    ),
    FileLayout(
        name="timm-swin",
        about="timm's Swin transformer, under the names of the catalog",
        computes="as timm, without stochastic depth",
        families=("timm-swin",),
        renaming=Renaming(
            stem={"": "patch_embed"},
            block={"block": f"{_SWIN}.blocks.{{position}}", "downsample": f"{_SWIN}.downsample"},
            closing={"norm": "norm"},
            head="head.fc",
        ),
        size=swin_size,
        image_size=always(IMAGENET_SIDE),
        stem="patch_embed.proj.weight",
        prefixes=("timm-",),
    ),
)

LAYOUTS: dict[str, FileLayout] = {row.name: row for row in _ROWS}
OURS = "ours"
"""A network file of our own, which is known by its header."""

LAYOUT_NAMES: tuple[str, ...] = (OURS, *LAYOUTS)


def rows_named(name: str) -> tuple[FileLayout, ...]:
    """All of them for ``auto``; else the one of that name, or those that begin with it, e.g. ``timm``."""
    return tuple(row for row in _ROWS if name in ("auto", row.name) or row.name.startswith(f"{name}-"))
