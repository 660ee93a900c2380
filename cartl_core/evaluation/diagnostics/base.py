"""What every diagnostic is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from cartl_core.data import ImageSet
from cartl_core.nn.network import Network
from cartl_core.report.values import Value

Batch = Callable[[Tensor, Tensor, Tensor], dict[str, Tensor]]
"""(images (n, C, H, W), labels (n,), indices (n,) in the data set) -> tensors of n rows each, on any device.

Images and labels are on the network's device, indices on the CPU. What it returns may depend on the image,
its label, its index and the seed alone: never on what else is in the batch.
"""


@dataclass(frozen=True)
class Subject:
    """What a diagnostic is made on.

    Attributes:
        network: in eval mode, without gradients of its parameters, on the device of the run.
        freeze_depth: leading blocks that were frozen; 0 where nothing was.
        others: the job's other students by subject, likewise ready, for diagnostics that use them.
        seed: the job's seed.
        labels: (n,) of all the images that the diagnostic looks at, on the CPU.
        images: (n, C, H, W), these images.
    """

    network: Network
    freeze_depth: int
    others: dict[str, Network]
    seed: int
    labels: Tensor
    images: ImageSet = field(default_factory=lambda: ImageSet.of(torch.empty(0, 1, 1, 1)))


@dataclass(frozen=True)
class Diagnostic:
    """How a diagnostic is computed."""

    batch: Callable[[Subject, Any], Batch]
    """From the subject and the diagnostic's spec: what to do with each batch."""
    summarise: Callable[[Subject, Any, dict[str, Tensor]], Value]
    """From the rows of all images, on the CPU: the value of the report."""
