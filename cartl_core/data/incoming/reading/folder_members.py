"""Files of a folder of the server, which stay where they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cartl_core.data.incoming.reading.members import Member, Meter, Stamp, safe_parts, shown
from cartl_core.data.incoming.rejection import Rejected, Unusable


def folder_members(root: Path, meter: Meter) -> Iterator[Member]:
    """The files below ``root`` in the order of their names. Links to files within it are followed.

    Raises:
        Rejected: a link leads out of the folder or to a folder, a name is unsafe, or limits are met.
    """
    files = list(files_below(root, meter))
    for position, (path, parts) in enumerate(files):
        found = path.stat()
        yield Member(
            parts,
            position / len(files),
            partial(_read, path, meter),
            Stamp(found.st_size, found.st_mtime_ns),
        )


def files_below(root: Path, meter: Meter) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Every file, and its folders and name as seen from ``root``; as ``folder_members`` otherwise."""
    inside = root.resolve()
    yield from _files(inside, inside, meter)


def _files(folder: Path, inside: Path, meter: Meter) -> Iterator[tuple[Path, tuple[str, ...]]]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        meter.count_entry()
        path = Path(entry.path)
        relative = path.relative_to(inside)
        safe_parts(relative.as_posix(), meter.limits)
        if entry.is_symlink():
            _check_link(path, inside)
        if entry.is_dir():
            yield from _files(path, inside, meter)
        elif entry.is_file():
            yield path, relative.parts
        else:
            raise Rejected("archive_unsafe", f"{shown(relative.as_posix())!r} is neither file nor folder")


def _check_link(path: Path, inside: Path) -> None:
    name = shown(path.relative_to(inside).as_posix())
    if not path.resolve().is_relative_to(inside):
        raise Rejected("archive_unsafe", f"{name!r} is a link that leads out of the folder")
    if not path.is_file():
        raise Rejected("archive_unsafe", f"{name!r} is a link that leads to no file; allowed: a real folder")


def _read(path: Path, meter: Meter) -> bytes:
    """Raises ``Unusable`` where the file is too large; others of its errors are the machine's."""
    if path.stat().st_size > meter.most_of_a_file:
        raise Unusable("file_too_large")
    return path.read_bytes()
