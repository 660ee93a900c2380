"""Getting a data set's files: from its publishers by torchvision, or from Debian's archive.

Files arrive in a folder of their own and are moved into the data root when they are complete, so a
broken download never looks like a data set. An attempt ends when nothing has arrived for
``PATIENCE_SECONDS``: a machine without a network gets its answer in seconds, a slow one its files.
"""

from __future__ import annotations

import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

from cartl_core.catalog import DATASETS
from cartl_core.compat import debian
from cartl_core.compat.torchvision_import import import_torchvision
from cartl_core.data.sources import find
from cartl_core.errors import DatasetMissing
from cartl_core.spec.datasets import TorchvisionSet

PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.2
ARCHIVES = ("*.tar.gz", "*.zip")

Download = Callable[[Any, Path], object]
"""Of ``torchvision.datasets`` and a folder, which it fills."""


def _by_torchvision(wanted: TorchvisionSet) -> Download:
    def download(sets: Any, folder: Path) -> None:
        kind = getattr(sets, wanted.name)
        for split in [{"split": name} for name in wanted.splits] or [{}]:
            kind(folder / wanted.folder, download=True, **split)

    return download


DOWNLOADS: dict[str, Download] = {
    name: _by_torchvision(facts.torchvision) for name, facts in DATASETS.items() if facts.torchvision
}


def fetch(name: str, data_root: Path) -> str:
    """Make data set ``name`` present under ``data_root``; says in words where it came from.

    Tries its publishers, then, on Debian, the package (unpacked into the data root; nothing on the
    system changes).

    Raises:
        DatasetMissing: no way led to the files.
    """
    if find(name, data_root) is not None:
        return f"{name} is already there"
    failures = []
    for origin, attempt in (("its publishers", download), ("Debian's archive", unpack_debian_package)):
        failure = attempt(name, data_root)
        if failure is None:
            return f"{name} was fetched from {origin}"
        failures.append(f"{origin}: {failure}")
    raise missing(name, "; ".join(failures))


def download(name: str, data_root: Path) -> str | None:
    """Get the published files; None if they are there now, else why not."""
    if name not in DOWNLOADS:
        return "it is published nowhere else"
    datasets = import_torchvision().datasets
    return _into(data_root, lambda folder: _patiently(lambda: DOWNLOADS[name](datasets, folder), folder))


def unpack_debian_package(name: str, data_root: Path) -> str | None:
    """Get the Debian package's files; None if they are there now, else why not. Needs no root."""
    package = DATASETS[name].debian_package
    if package is None:
        return "it has no package"
    return debian.cannot_unpack() or _into(data_root, lambda folder: debian.unpack(package, folder))


def missing(name: str, why: str) -> DatasetMissing:
    """The error that says what is expected where, and what fetches it."""
    facts = DATASETS[name]
    expected = " or ".join(facts.expected)
    command = facts.fetch.format(name=name)
    return DatasetMissing(
        f"{name} is not under the data root ({why}). Expected, relative to the data root: {expected}. "
        f"To fetch it: {command}",
        dataset=name,
        expected=facts.expected,
        command=command,
    )


def _into(data_root: Path, fill: Callable[[Path], str | None]) -> str | None:
    """Fill a temporary folder, then move what is in it into the data root."""
    try:
        data_root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=data_root, prefix=".fetch-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            failure = fill(folder)
            if failure is None:
                for pattern in ARCHIVES:
                    for archive in folder.rglob(pattern):
                        archive.unlink()
                _move_into(folder, data_root)
            return failure
    except OSError as error:
        return f"the data root cannot be written ({error.strerror})"


def _move_into(source: Path, target: Path) -> None:
    """Move the entries of ``source``, whole folders where they are new, so that they appear at once."""
    for entry in source.iterdir():
        place = target / entry.name
        if entry.is_dir() and place.is_dir():
            _move_into(entry, place)
        else:
            entry.replace(place)


def _patiently(work: Callable[[], object], folder: Path) -> str | None:
    """Run ``work`` while ``folder`` grows; None if it ended well, else why not.

    ``work`` cannot be interrupted, so one that hangs is left behind in its thread.
    """
    outcome: list[str | None] = []

    def attempt() -> None:
        try:
            work()
        except (OSError, RuntimeError, HTTPException, ValueError, EOFError, zipfile.BadZipFile) as error:
            lines = str(error).strip().splitlines()
            outcome.append(lines[-1] if lines else type(error).__name__)
        else:
            outcome.append(None)

    thread = threading.Thread(target=attempt, name="download", daemon=True)
    thread.start()
    size, last_growth = -1, time.monotonic()
    while thread.is_alive():
        thread.join(POLL_SECONDS)
        if (now_there := _bytes_in(folder)) != size:
            size, last_growth = now_there, time.monotonic()
        elif time.monotonic() - last_growth > PATIENCE_SECONDS:
            return f"nothing arrived for {PATIENCE_SECONDS:.0f} seconds"
    return outcome[0] if outcome else "the download ended unexpectedly"


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # renamed or removed by the download meanwhile
            continue
    return total
