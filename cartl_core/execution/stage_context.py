"""What a stage works with: its directory in the cache, the machine, and whom to tell."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cartl_core.events import EpochFinished, Reporter, Warned
from cartl_core.execution.checkpoint import Checkpoint, CheckpointSink
from cartl_core.execution.kept_arrays import Fill, kept_array
from cartl_core.execution.scratch import Scratch
from cartl_core.execution.to_device import to_device
from cartl_core.planning.stage_digests import StageKey
from cartl_core.spec import Runtime
from cartl_core.storage.shared_arrays import Caller, SharedArrays
from cartl_core.storage.stop_flag import StopFlag


@dataclass(frozen=True)
class StageContext:
    """Given to one stage while it is computed.

    Attributes:
        directory: where the result goes.
        saved: the checkpoint to go on from, if any.
        progress: told of the fraction of this stage that is done.
        scratch: for large arrays that are gone when the stage is done.
        shared: for such arrays that other runs may need too; None: there is no such place.
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
    shared: SharedArrays | None = None
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

    def kept(self, digest: str | None, shape: tuple[int, ...], dtype: torch.dtype, fill: Fill) -> Tensor:
        """An array on the CPU that ``fill`` writes, unless another run has it under ``digest``.

        Raises:
            OSError: the disk is full.
            Interruption: the run was asked to stop, perhaps while it waited for another.
        """
        caller = Caller(
            self.stop.check, lambda words: self.report(Warned(message=f"{self.key.label}: {words}"))
        )
        return kept_array(
            shape, dtype, fill, digest=digest, shared=self.shared, scratch=self.scratch, caller=caller
        )

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
