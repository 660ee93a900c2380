"""Files for this user only: jobs, hashes of keys and logs are nobody else's on this machine."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.engine import make_url

from jobs.settings import SQLITE_NAME, Settings

OTHERS = 0o077
"""What a file mode allows to the group and to everybody."""
OURS = ("artifacts", "broker", "cache", "data", "logs", "stages")
OUR_FILES = ("lost+found", "up.lock", "demo-report.", SQLITE_NAME)
log = logging.getLogger("cartl.files")


def keep_private(settings: Settings) -> None:
    """From now on this process makes files for its user alone; what an earlier version left open is closed.

    What belongs to another user, and a data directory that holds other things too, is warned about instead.
    """
    os.umask(OTHERS)
    if _holds_ours_alone(settings.data_dir):
        _close(settings.data_dir)
    elif settings.data_dir.is_dir():
        _warn_if_open(settings.data_dir, "it holds other things too")
    for path in _parts(settings):
        _close(path)


def _parts(settings: Settings) -> Iterator[Path]:
    """What lies in the data directory, or was moved elsewhere. Data sets may be shared, wherever they are."""
    logs = settings.data_dir / "logs"
    yield from (*settings.file_dirs.values(), settings.broker_dir, logs)
    yield from logs.glob("*.log*")
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and url.database:
        yield from (Path(url.database + end) for end in ("", "-wal", "-shm"))


def _holds_ours_alone(directory: Path) -> bool:
    try:
        names = [path.name for path in directory.iterdir()]
    except OSError:
        return False
    return all(name in OURS or name.startswith(OUR_FILES) for name in names)


def _close(path: Path) -> None:
    found = _open_mode(path)
    if found is None:
        return
    try:
        path.chmod(found & ~OTHERS)
    except PermissionError:
        _warn_if_open(path, "it belongs to another user")
    else:
        log.warning("%s was open to other users (mode %o); it is closed now", path, found)


def _warn_if_open(path: Path, why: str) -> None:
    found = _open_mode(path)
    if found is not None:
        log.warning("%s is open to other users (mode %o) and was left so: %s", path, found, why)


def _open_mode(path: Path) -> int | None:
    """The mode of what others may use; None where they may not, and where there is nothing."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
    return mode if mode & OTHERS else None
