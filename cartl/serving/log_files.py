"""Logs of the processes that `cartl up` starts: kept over restarts, a few files of a bounded size."""

from __future__ import annotations

import os
import shutil
import time
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

MAX_BYTES = 10 * 1024 * 1024
KEPT = 4
"""Older files beside the one that is written: `api.log.1` is the newest of them."""
TAIL_BYTES = 64 * 1024
TAIL_LINES = 20
STARTED = "== started "


def open_log(path: Path) -> BinaryIO:
    """``path`` for appending, for this user only, with a line that says when this start was.

    What an earlier process wrote stays: the log of a crash survives the restart.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    rotate(path)
    output = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")
    output.write(f"{STARTED}{time.strftime('%Y-%m-%d %H:%M:%S %z')} ==\n".encode())
    output.flush()
    return output


def rotate(path: Path, max_bytes: int = MAX_BYTES) -> bool:
    """Move what is in ``path`` to an older file once it is larger than ``max_bytes``; True when it did.

    The file itself stays, emptied: a process that has it open goes on writing to it, at its new end. What is
    written between the copy and the emptying is lost.
    """
    if not path.exists() or path.stat().st_size <= max_bytes:
        return False
    older = [path.with_name(f"{path.name}.{number}") for number in range(1, KEPT + 1)]
    for newer, old in reversed(list(pairwise(older))):
        if newer.exists():
            newer.replace(old)
    shutil.copyfile(path, older[0])
    older[0].chmod(0o600)
    os.truncate(path, 0)
    return True


def tail(path: Path, lines: int = TAIL_LINES) -> str:
    """The last lines since the newest start, indented; it says so when there are none."""
    if not path.exists():
        return "    (it wrote nothing)"
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        text = file.read().decode("utf-8", errors="replace")
    before, started, after = text.rpartition(STARTED)
    told = after.partition("\n")[2] if started else before + after
    return "\n".join(f"    {line}" for line in told.splitlines()[-lines:]) or "    (it wrote nothing)"
