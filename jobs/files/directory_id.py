"""Which directory of stages and artifacts this is: an id in it, and the same id in the database.

Two hosts with one database must see the same files. Where each has a directory of its own, a teacher that one
has finished is gone for the other, and both train it in turn. So the first worker writes the id of its
directories into the database, and a worker that sees others refuses to take jobs. So it is with a bucket, in
which the id is an object.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from cartl_core.storage.s3_store import S3Store
from jobs.database.dialect import insert_if_new
from jobs.errors import DirectoryMismatch
from jobs.files.stores import STORES, deployment_store
from jobs.settings import Settings
from jobs.tables import Directory

FILE = ".cartl-directory"
BUCKET_FILE = "id"
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
    for name, (place, read) in _places(settings).items():
        found = read()
        insert_if_new(session, Directory, name=name, id=found)
        known = session.execute(select(Directory.id).where(Directory.name == name)).scalar_one()
        if known != found:
            raise DirectoryMismatch(
                f"the directory of {name} here ({place}) is not the one that the other hosts of this "
                f"database use: its id is {found}, theirs is {known}. Mount the same directory on each host, "
                "or set the same CARTL_STORE; after a move on purpose, run `python -m jobs adopt` "
                "(docs/how-to/move-to-another-host.md)",
                name=name,
            )


def adopt_directories(session: Session, settings: Settings) -> None:
    """From here on the database's directories are those of this host."""
    for name, (_, read) in _places(settings).items():
        session.merge(Directory(name=name, id=read()))


@lru_cache(maxsize=STORES)
def bucket_id(store: S3Store) -> str:
    """The id of a bucket's prefix, made when there is none; of several processes that make it, one wins.

    Each process reads it once, so that a claim does not wait for it.

    Raises:
        OSError: it cannot be read or written.
    """
    with suppress(FileExistsError):
        store.put_new(BUCKET_FILE, secrets.token_hex(ID_BYTES).encode())
    with store.open(BUCKET_FILE) as file:
        return file.read().decode("ascii")


def _places(settings: Settings) -> dict[str, tuple[str, Callable[[], str]]]:
    """What is compared: its name in the database, where it is, and how its id is read."""
    bucket = deployment_store(settings)
    if bucket is not None:
        return dict.fromkeys(("stages", "artifacts"), (settings.store, partial(bucket_id, bucket)))
    return {name: (str(path), partial(directory_id, path)) for name, path in settings.file_dirs.items()}
