"""A part of a measurement as a file: what one process found on some batches, for another to go on from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from cartl_core.errors import describe_error
from cartl_core.evaluation.batches import Rows
from cartl_core.execution.checkpoint import Checkpoint, CheckpointDamaged, read, write
from cartl_core.storage.checkpoint_files import PART as PART

log = logging.getLogger(__name__)


def write_part(directory: Path, rows: Rows, seconds: float) -> None:
    """Write the rows of a part, so that the file is complete or not there.

    Raises:
        DiskFull: no space is left.
    """
    write(directory / PART, Checkpoint(rows, {"seconds": seconds}, 1.0))


def joined_parts(directories: Sequence[Path], count: int) -> Checkpoint | None:
    """A checkpoint that has come as far as the parts reach without a gap; None where the first is missing.

    Args:
        directories: of the parts, in the order of their images. One that cannot be read ends them: what
            follows is computed again.
        count: images of the whole.
    """
    parts: list[Checkpoint] = []
    for directory in directories:
        try:
            parts.append(read(directory / PART))
        except (OSError, CheckpointDamaged) as error:
            log.warning("a part is computed again: %s", describe_error(error))
            break
    if not parts:
        return None
    names = parts[0].tensors
    rows = {name: torch.cat([part.tensors[name] for part in parts]) for name in names}
    reached = len(next(iter(rows.values())))
    seconds = sum(float(part.state["seconds"]) for part in parts)
    return Checkpoint(rows, {"seconds": seconds}, reached / count)
