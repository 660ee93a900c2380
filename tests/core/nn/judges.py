"""The classes that others' networks are of, as judges: torchvision's, RobustBench's and timm's."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from cartl_core.compat.torchvision_import import import_torchvision

CLASSES = 7
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def _robustbench() -> Path:
    """Where `make install` puts it, or where it is installed otherwise."""
    folder = Path(sys.prefix) / "judges" / "robustbench"
    if folder.is_dir():
        return folder
    package = importlib.util.find_spec("robustbench")
    assert package is not None and package.submodule_search_locations, (
        "`make install` installs tests/judges.txt"
    )
    return Path(package.submodule_search_locations[0])


@cache
def robustbench(module: str) -> ModuleType:
    """A file of its architectures alone: the package itself needs what is not installed."""
    path = _robustbench() / "model_zoo" / "architectures" / f"{module}.py"
    spec = importlib.util.spec_from_file_location(f"judge_{module}", path)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def torchvision(name: str) -> nn.Module:
    import_torchvision()
    models: Any = importlib.import_module("torchvision.models")
    made: nn.Module = getattr(models, name)(num_classes=CLASSES)
    return made


def timm(name: str, **settings: Any) -> nn.Module:
    import_torchvision()
    made: nn.Module = importlib.import_module("timm").create_model(
        name, pretrained=False, num_classes=CLASSES, **settings
    )
    return made


def wide_resnet(depth: int, width: int, **settings: Any) -> nn.Module:
    made: nn.Module = robustbench("wide_resnet").WideResNet(depth, CLASSES, width, **settings)
    return made


def deepmind(name: str, activation: type[nn.Module], **settings: Any) -> nn.Module:
    """DeepMind's classes normalise by themselves."""
    made: nn.Module = getattr(robustbench("dm_wide_resnet"), name)(
        num_classes=CLASSES, activation_fn=activation, mean=MEAN, std=STD, **settings
    )
    return made


def cifar_resnet(block: str, *counts: int) -> nn.Module:
    module = robustbench("resnet")
    made: nn.Module = module.ResNet(getattr(module, block), list(counts), CLASSES)
    return made


@dataclass(frozen=True)
class Judge:
    """``told`` is the ``architecture`` of the request; ``size``: pixels of the images that are compared."""

    make: Callable[[], nn.Module]
    layout: str
    model: str
    size: int = 32
    told: bool = False

    @property
    def architecture(self) -> dict[str, Any] | None:
        return {"name": self.model, "image_size": self.size} if self.told else None


JUDGES: dict[str, Judge] = {
    **{
        name: Judge(lambda name=name: torchvision(name), "torchvision-resnet", f"torchvision-{name}", 64)  # type: ignore[misc]
        for name in ("resnet18", "resnet34", "resnet50", "wide_resnet50_2")
    },
    "WideResNet-10-2": Judge(lambda: wide_resnet(10, 2), "robustbench-wrn", "wrn-10-2-relu"),
    "WideResNet-16-1": Judge(lambda: wide_resnet(16, 1), "robustbench-wrn", "wrn-16-1-relu"),
    "WideResNet-28-4 of TRADES": Judge(
        lambda: wide_resnet(28, 4, sub_block1=True), "robustbench-wrn-sub", "wrn-28-4-relu"
    ),
    "DMWideResNet-10-2": Judge(
        lambda: deepmind("DMWideResNet", nn.SiLU, depth=10, width=2), "robustbench-dm-wrn", "dm-wrn-10-2"
    ),
    "DMWideResNet-16-1": Judge(
        lambda: deepmind("DMWideResNet", nn.SiLU, depth=16, width=1), "robustbench-dm-wrn", "dm-wrn-16-1"
    ),
    "DMWideResNet-10-2, ReLU": Judge(
        lambda: deepmind("DMWideResNet", nn.ReLU, depth=10, width=2),
        "robustbench-dm-wrn",
        "dm-wrn-10-2-relu",
        told=True,
    ),
    "DMPreActResNet-18": Judge(
        lambda: deepmind("DMPreActResNet", nn.SiLU, depth=18),
        "robustbench-dm-preact",
        "dm-preact-resnet18-silu",
        told=True,
    ),
    "DMPreActResNet-34, ReLU": Judge(
        lambda: deepmind("DMPreActResNet", nn.ReLU, depth=34),
        "robustbench-dm-preact",
        "dm-preact-resnet34-relu",
        told=True,
    ),
    "CIFAR ResNet-18": Judge(lambda: cifar_resnet("BasicBlock", 2, 2, 2, 2), "cifar-resnet", "resnet18"),
    "CIFAR ResNet-34": Judge(lambda: cifar_resnet("BasicBlock", 3, 4, 6, 3), "cifar-resnet", "resnet34"),
    "CIFAR ResNet-50": Judge(lambda: cifar_resnet("Bottleneck", 3, 4, 6, 3), "cifar-resnet", "resnet50"),
    "timm resnet26": Judge(lambda: timm("resnet26"), "timm-resnet", "timm-resnet26", 64),
    "timm convnext_tiny": Judge(lambda: timm("convnext_tiny"), "timm-convnext", "timm-convnext_tiny", 64),
    "timm vit_tiny": Judge(
        lambda: timm("vit_tiny_patch16_224"), "timm-vit", "timm-vit_tiny_patch16_224", 224
    ),
    "timm vit_tiny at 96 pixels": Judge(
        lambda: timm("vit_tiny_patch16_224", img_size=96), "timm-vit", "timm-vit_tiny_patch16_224", 96
    ),
    "timm deit_tiny": Judge(
        lambda: timm("deit_tiny_patch16_224"), "timm-vit", "timm-deit_tiny_patch16_224", 224, told=True
    ),
    "timm vit_small_patch32": Judge(
        lambda: timm("vit_small_patch32_224"), "timm-vit", "timm-vit_small_patch32_224", 224
    ),
    "timm swin_tiny": Judge(
        lambda: timm("swin_tiny_patch4_window7_224"), "timm-swin", "timm-swin_tiny_patch4_window7_224", 224
    ),
    "timm swin_tiny at 64 pixels": Judge(
        lambda: timm("swin_tiny_patch4_window7_224", img_size=64),
        "timm-swin",
        "timm-swin_tiny_patch4_window7_224",
        64,
        told=True,
    ),
}


def scrambled(network: nn.Module, seed: int) -> nn.Module:
    """Random weights and random statistics, none of them as an initialisation leaves them; in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0, generator=generator)
        elif name.endswith("num_batches_tracked"):
            tensor.fill_(3)
        elif tensor.ndim == 1 or "token" in name or "pos_embed" in name or "bias_table" in name:
            tensor.add_(torch.randn(tensor.shape, generator=generator) * 0.3)
    return network.eval()


def logits_of(network: nn.Module, images: Tensor) -> Tensor:
    """What the class says of images in [0, 1]; normalised for those that do not by themselves."""
    with torch.no_grad():
        if hasattr(network, "mean"):
            found: Tensor = network(images)
        else:
            mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
            found = network((images - mean) / std)
    return found
