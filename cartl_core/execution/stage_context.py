"""What a stage works with: its directory in the cache, the machine, and whom to tell."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cartl_core.events import EpochFinished, Reporter
from cartl_core.execution.checkpoint import Checkpoint, CheckpointSink
from cartl_core.execution.scratch import Scratch
from cartl_core.execution.to_device import to_device
from cartl_core.planning.stage_digests import StageKey
from cartl_core.spec import Runtime
from cartl_core.storage.stop_flag import StopFlag


@dataclass(frozen=True)
class StageContext:
    """Given to one stage while it is computed.

    Attributes:
        directory: where the result goes.
        saved: the checkpoint to go on from, if any.
        progress: told of the fraction of this stage that is done.
        scratch: for large arrays that are gone when the stage is done.
        rows: the images, from the first to before the last, that this process computes of a measurement;
            None: all of them.
    """

    key: StageKey
    directory: Path
    checkpoints: CheckpointSink
    runtime: Runtime
    report: Reporter
    stop: StopFlag
    saved: Checkpoint | None = None
    progress: Callable[[float], None] = lambda fraction: None
    scratch: Scratch = field(default_factory=Scratch)
    rows: tuple[int, int] | None = None

    @property
    def device(self) -> torch.device:
        """Where tensors go."""
        return torch.device(self.runtime.device)

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of training; evaluation never asks."""
        if self.runtime.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.runtime.device, dtype=torch.bfloat16)

    def install(self, network: nn.Module) -> None:
        """Move a network here, in the memory layout that convolutions like best."""
        network.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def put(self, images: Tensor) -> Tensor:
        """Images or features of (N, C, H, W) on the device, in the same layout."""
        layout = torch.channels_last if images.ndim == 4 else None
        return to_device(images, self.device, memory_format=layout)

    def tell_epoch(self, epoch: int, epochs: int, metrics: dict[str, float]) -> None:
        """Report the end of an epoch; ``epoch`` counts from 1."""
        self.report(
            EpochFinished(
                stage=self.key.kind,
                label=self.key.label,
                digest=self.key.digest,
                epoch=epoch,
                epochs=epochs,
                metrics=metrics,
            )
        )
