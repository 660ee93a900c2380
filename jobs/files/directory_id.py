"""Which directory of stages and artifacts this is: an id in it, and the same id in the database.

Two hosts with one database must see the same files. Where each has a directory of its own, a teacher that one
has finished is gone for the other, and both train it in turn. So the first worker writes the id of its
directories into the database, and a worker that sees others refuses to take jobs.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.database.dialect import insert_if_new
from jobs.errors import DirectoryMismatch
from jobs.settings import Settings
from jobs.tables import Directory

FILE = ".cartl-directory"
ID_BYTES = 16


def directory_id(directory: Path) -> str:
    """The id of a directory, made when there is none; of several processes that make it, one wins.

    Raises:
        OSError: it cannot be read or written.
    """
    file = directory / FILE
    while True:
        with suppress(FileNotFoundError):
            return file.read_text(encoding="ascii").strip()
        handle, written = tempfile.mkstemp(dir=directory, prefix=f"{FILE}.")
        try:
            with os.fdopen(handle, "w", encoding="ascii") as new:
                new.write(secrets.token_hex(ID_BYTES))
                new.flush()
                os.fsync(new.fileno())
            with suppress(FileExistsError):
                os.link(written, file)
        finally:
            Path(written).unlink()


def check_directories(session: Session, settings: Settings) -> None:
    """Compare the directories with those that the database knows; the first to ask says which these are.

    Raises:
        DirectoryMismatch: this host sees others.
        OSError: a directory is not there.
    """
    for name, path in _directories(settings).items():
        found = directory_id(path)
        insert_if_new(session, Directory, name=name, id=found)
        known = session.execute(select(Directory.id).where(Directory.name == name)).scalar_one()
        if known != found:
            raise DirectoryMismatch(
                f"the directory of {name} here ({path}) is not the one that the other hosts of this database "
                f"use: its id is {found}, theirs is {known}. Mount the same directory on every host; after a "
                "move on purpose, run `python -m jobs adopt` (docs/how-to/move-to-another-host.md)",
                name=name,
            )


def adopt_directories(session: Session, settings: Settings) -> None:
    """From here on the database's directories are those of this host."""
    for name, path in _directories(settings).items():
        session.merge(Directory(name=name, id=directory_id(path)))


def _directories(settings: Settings) -> dict[str, Path]:
    return {"stages": settings.stages_dir, "artifacts": settings.artifacts_dir}
