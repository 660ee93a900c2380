"""How much room the disks have: for readiness, for figures, and before an upload is taken."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url

from jobs.settings import Settings

FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT)
PROBE_BYTES = 64 * 1024
FULL_BYTES = 1024 * 1024
"""With less than this a database cannot go on."""
POSTGRESQL_DISK_FULL = "53100"


@dataclass(frozen=True)
class Space:
    """What is free, by what is kept there."""

    free: Mapping[str, int]
    """Bytes that this user may still write: to `artifacts` and `stages`, or to `cache` with an object store;
    to `data`; with SQLite to `database`."""
    low: tuple[str, ...]
    """With less than ``CARTL_MIN_FREE_BYTES``."""
    full: tuple[str, ...]
    """Where nothing can be written any more."""


def space_left(settings: Settings) -> Space:
    """Look at every disk. What the API itself writes to is tried: a quota shows in no figure."""
    places = directories(settings)
    free = {name: free_bytes(path) for name, path in places.items()}
    written = ("artifacts", "cache", "database")
    full = {name for name, path in places.items() if name in written and not _takes(path)}
    return Space(
        free=free,
        low=tuple(name for name, left in free.items() if left < settings.min_free_bytes),
        full=tuple(name for name in free if name in full or free[name] < FULL_BYTES),
    )


def database_has_no_room(settings: Settings) -> bool:
    """True when SQLite's disk is full: it then fails to open its files, which looks like another trouble."""
    path = directories(settings).get("database")
    return path is not None and (free_bytes(path) < FULL_BYTES or not _takes(path))


def directories(settings: Settings) -> dict[str, Path]:
    """What is kept on a disk of this machine, and where."""
    places = {**settings.file_dirs, "data": settings.data_root}
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and url.database:
        places["database"] = Path(url.database).parent
    return places


def free_bytes(path: Path) -> int:
    """Bytes that may still be written at ``path``, or where it would be made."""
    there = next(parent for parent in (path, *path.parents) if parent.exists())
    found = os.statvfs(there)
    return found.f_bavail * found.f_frsize


def is_disk_full(error: BaseException) -> bool:
    """True when ``error``, or what it came from, says that a disk or a quota is full."""
    return any(_says_full(one) for one in _causes(error))


def _says_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in FULL_ERRORS
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return getattr(error, "sqlstate", None) == POSTGRESQL_DISK_FULL


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, the driver's error in it, and what each was raised from."""
    seen: list[BaseException] = [error]
    for one in seen:
        yield one
        inner = (getattr(one, "orig", None), one.__cause__, one.__context__)
        seen += [cause for cause in inner if isinstance(cause, BaseException) and cause not in seen]


def _takes(path: Path) -> bool:
    """False when a small file cannot be written for want of room. Other troubles are not about room."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=path, prefix=".room-") as file:
            file.write(b"\0" * PROBE_BYTES)
            file.flush()
    except OSError as error:
        return error.errno not in FULL_ERRORS
    return True
