"""The result files: a JSON row for each teacher, finished cell and later evaluation, only ever appended.

A row is written in one piece. A line that a crash cut short has no newline; the next append removes it, since
the cell that it stood for is run again.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

RESULTS = Path(__file__).with_name("results")

Row: TypeAlias = dict[str, Any]


def read_rows(pair: str, folder: Path = RESULTS) -> list[Row]:
    """All whole rows of a pair, in the order in which they were written."""
    path = path_of(pair, folder)
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def append_row(pair: str, row: Row, folder: Path = RESULTS) -> None:
    """Add one row, whole and on the disk when this returns."""
    path = path_of(pair, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(row, allow_nan=False, separators=(",", ":")).encode() + b"\n"
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _drop_half_a_line(file.fileno())
        os.write(file.fileno(), line)
        os.fsync(file.fileno())


def path_of(pair: str, folder: Path = RESULTS) -> Path:
    """Where the rows of a pair lie."""
    return folder / f"{pair}.jsonl"


def teachers(rows: Iterable[Row]) -> list[Row]:
    """The rows of teachers."""
    return [row for row in rows if row["kind"] == "teacher"]


def students(rows: Iterable[Row]) -> list[Row]:
    """The rows of cells."""
    return [row for row in rows if row["kind"] == "cell"]


def evaluations(rows: Iterable[Row]) -> list[Row]:
    """The rows of what was examined after its cell was finished."""
    return [row for row in rows if row["kind"] == "exam"]


def validations(rows: Iterable[Row]) -> list[Row]:
    """The rows of which validation images a finished cell held."""
    return [row for row in rows if row["kind"] == "standing"]


def strongest(rows: Iterable[Row]) -> list[Row]:
    """The rows of what the ensemble of other attacks was run on."""
    return [row for row in rows if row["kind"] == "strongest"]


def radius_rows(rows: Iterable[Row]) -> list[Row]:
    """The rows of what a finished cell withstands as the radius grows."""
    return [row for row in rows if row["kind"] == "radii"]


def _drop_half_a_line(file: int) -> None:
    size = os.fstat(file).st_size
    content = os.pread(file, size, 0)
    os.ftruncate(file, content.rfind(b"\n") + 1)
