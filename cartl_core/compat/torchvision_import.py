"""torchvision, also where its compiled part cannot load.

The registry's torchvision is built for CUDA. Beside a CPU-only torch its C++ library does not load,
and ``import torchvision`` then fails: it registers stand-ins for two operators that nobody declared.
Declaring them is enough for data sets, transforms and models; torchvision.io, v2.JPEG and ops.nms
stay unusable (images are read with Pillow). Seen with torchvision 0.26 to 0.28.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import torch

OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
# Declarations last as long as the library object that made them.
_declared: list[object] = []


def import_torchvision() -> ModuleType:
    """The torchvision package with ``torchvision.datasets`` ready.

    Raises:
        ImportError: it is not installed.
        RuntimeError: it fails to import for another reason than its missing operators.
    """
    try:
        return _import()
    except RuntimeError as error:
        if _declared or "operator torchvision::" not in str(error):
            raise
    _forget_half_an_import()
    make_library: Any = torch.library.Library  # its own annotations are incomplete
    library = make_library("torchvision", "DEF")
    for schema in OPERATORS:
        library.define(schema)
    _declared.append(library)
    return _import()


def _import() -> ModuleType:
    importlib.import_module("torchvision.datasets")
    return sys.modules["torchvision"]


def _forget_half_an_import() -> None:
    for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
        del sys.modules[name]
