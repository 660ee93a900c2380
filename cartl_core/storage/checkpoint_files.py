"""Names of checkpoint files, and their order."""

from __future__ import annotations

from pathlib import Path

SUFFIX = ".checkpoint"
PART = "part.checkpoint"
"""A part of a measurement. It has the form of a checkpoint, so it proves its own integrity."""


def in_order(directory: Path) -> list[Path]:
    """The checkpoints that lie in ``directory``, oldest first."""
    return sorted(directory.glob(f"[0-9]*{SUFFIX}"), key=number_of)


def number_of(path: Path) -> int:
    """Place of a checkpoint in the order in which they were written; 0 for another file."""
    stem = path.name.removesuffix(SUFFIX)
    return int(stem) if stem.isdigit() else 0
