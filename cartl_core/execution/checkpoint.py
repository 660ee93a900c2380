"""Checkpoints: tensors and a little JSON in one file that proves its own integrity.

A file is one line of JSON (format, length and SHA-256 of what follows) and a safetensors payload, so
nothing is ever unpickled. It is written to a temporary name, flushed to the disk and renamed: a file
with its final name is complete, and one that was damaged later is noticed when it is read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from cartl_core.errors import describe_error
from cartl_core.storage.atomic_write import write_whole
from cartl_core.storage.checkpoint_files import SUFFIX, in_order, number_of
from cartl_core.storage.disk_errors import disk_faults
from cartl_core.strict_json import SMALL, JsonRefused, loads

FORMAT = "cartl-checkpoint-1"
KEPT = 2
DEFAULT_SECONDS = 30.0

log = logging.getLogger(__name__)


class CheckpointDamaged(ValueError):
    """The checkpoint is cut short, altered or of another format."""


@dataclass(frozen=True)
class Checkpoint:
    """A moment of a stage.

    Attributes:
        tensors: by name; written and read on the CPU.
        state: whatever JSON can carry; floats come back exactly.
        fraction: of the stage that was done.
        seconds: of wall time that the stage had taken, over all attempts; ``Checkpoints.save`` counts them.
    """

    tensors: dict[str, Tensor]
    state: dict[str, Any] = field(default_factory=dict)
    fraction: float = 0.0
    seconds: float = 0.0


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` so that ``path`` is either absent, as before, or complete.

    Raises:
        DiskFull: no space is left.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    metadata = {"state": json.dumps(checkpoint.state), "fraction": repr(checkpoint.fraction)}
    metadata["seconds"] = repr(checkpoint.seconds)
    payload = safetensors.torch.save(tensors, metadata)
    head = {"format": FORMAT, "length": len(payload), "sha256": hashlib.sha256(payload).hexdigest()}
    with disk_faults("a checkpoint"):
        write_whole(path, json.dumps(head).encode() + b"\n" + payload)


def read(path: Path) -> Checkpoint:
    """Read a checkpoint whole.

    Raises:
        CheckpointDamaged: its length or its SHA-256 is not what its first line says.
        OSError: it cannot be read.
    """
    first, _, payload = path.read_bytes().partition(b"\n")
    try:
        head = loads(first, SMALL)
    except JsonRefused as error:
        raise CheckpointDamaged(f"{path.name}: the first line is no JSON") from error
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise CheckpointDamaged(f"{path.name}: not of format {FORMAT}")
    if head.get("length") != len(payload):
        raise CheckpointDamaged(f"{path.name}: {len(payload)} bytes, {head.get('length')} were written")
    if head.get("sha256") != hashlib.sha256(payload).hexdigest():
        raise CheckpointDamaged(f"{path.name}: its contents have changed")
    try:
        tensors = safetensors.torch.load(payload)
        metadata = _metadata(payload)
        seconds = float(metadata.get("seconds", "0"))
        return Checkpoint(tensors, json.loads(metadata["state"]), float(metadata["fraction"]), seconds)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointDamaged(f"{path.name}: {error}") from error


def _metadata(payload: bytes) -> dict[str, str]:
    """The header of a safetensors payload: 8 bytes of length, then JSON."""
    length = int.from_bytes(payload[:8], "little")
    metadata: dict[str, str] = json.loads(payload[8 : 8 + length])["__metadata__"]
    return metadata


class CheckpointSink(Protocol):
    """Where a stage leaves its checkpoints while it is computed."""

    @property
    def seconds(self) -> float:
        """Wall time that the stage has taken so far, over all attempts."""

    def due(self) -> bool:
        """Whether it is time for one."""

    def save(self, checkpoint: Checkpoint) -> object:
        """Keep it."""


class NoCheckpoints:
    """For a training that is not to be resumed: nothing is kept."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began_at = clock, clock()

    @property
    def seconds(self) -> float:
        """Wall time since it was made."""
        return self._clock() - self._began_at

    def due(self) -> bool:
        """Never."""
        return False

    def save(self, checkpoint: Checkpoint) -> None:
        """Does nothing."""


Announce = Callable[[Path, float], None]


class Checkpoints:
    """Where one claim of a stage keeps its checkpoints: the newest two, the older ones only as a reserve.

    Args:
        directory: written to; no other claim writes here.
        earlier: checkpoints to go on from, newest first; they may lie in the directories of other claims
            and are never deleted here.
        announce: told of each complete checkpoint with the fraction done, before an older one goes.
        every_seconds: the longest time between two checkpoints, kept at step boundaries.
    """

    def __init__(
        self,
        directory: Path,
        *,
        earlier: Sequence[Path] = (),
        announce: Announce = lambda path, fraction: None,
        every_seconds: float = DEFAULT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._earlier = tuple(earlier)
        self._announce = announce
        self._every_seconds = every_seconds
        self._clock = clock
        self._began_at = self._saved_at = clock()
        self._before = 0.0
        self._next = 1 + max((number_of(path) for path in (*self._earlier, *self._own())), default=0)

    def newest(self, passed_over: Callable[[str], None] = lambda words: None) -> Checkpoint | None:
        """The newest checkpoint that is whole; ``passed_over`` is told what is wrong with each newer one."""
        for path in self._earlier:
            try:
                found = read(path)
                self._before = found.seconds
                return found
            except (CheckpointDamaged, OSError) as error:
                words = f"a checkpoint is passed over: {describe_error(error)}"
                log.warning(words)
                passed_over(words)
        return None

    @property
    def seconds(self) -> float:
        """Wall time of the stage so far: since here, and before the checkpoint that ``newest`` gave."""
        return self._before + self._clock() - self._began_at

    def due(self) -> bool:
        """Whether the last one is older than ``every_seconds``."""
        return self._clock() - self._saved_at >= self._every_seconds

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write, announce, then drop all but the newest two of this claim."""
        path = self._directory / f"{self._next:08d}{SUFFIX}"
        write(path, replace(checkpoint, seconds=self.seconds))
        self._next += 1
        self._announce(path, checkpoint.fraction)
        for old in self._own()[:-KEPT]:
            old.unlink(missing_ok=True)
        self._saved_at = self._clock()
        return path

    def clear(self) -> None:
        """Drop this claim's checkpoints, once the stage's result is stored."""
        for path in self._own():
            path.unlink(missing_ok=True)

    def _own(self) -> list[Path]:
        return in_order(self._directory)
