"""The end of a job's log, over all its attempts. The worker writes one file an attempt."""

from __future__ import annotations

import os
from pathlib import Path

from jobs.files.artifacts import log_files
from jobs.settings import Settings

MAX_BYTES = 2 * 1024 * 1024


def log_tail(settings: Settings, job_id: str, lines: int) -> str:
    """The last ``lines`` lines, oldest first; at most ``MAX_BYTES`` are read. Empty before the first attempt.

    Bytes that are no UTF-8 are shown as replacement characters.
    """
    parts: list[str] = []
    room = MAX_BYTES
    for path in reversed(log_files(settings, job_id)):
        if room <= 0:
            break
        end = _end_of(path, room)
        room -= len(end)
        parts.append(f"== {path.stem} ==\n{end.decode(errors='replace')}")
    kept = "\n".join(reversed(parts)).splitlines()[-lines:]
    return "\n".join(kept) + "\n" if kept else ""


def _end_of(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - most))
        return file.read(most)
