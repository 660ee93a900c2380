"""The database that commands work on, which must be one that this version may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from sqlalchemy import Engine

from jobs.database.engine import check, make_engine
from jobs.errors import DatabaseMismatch
from jobs.settings import Settings


@contextmanager
def in_words() -> Iterator[None]:
    """A database of another version is refused in words, with exit status 1."""
    try:
        yield
    except DatabaseMismatch as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def ready_engine(settings: Settings) -> Engine:
    """The database of ``settings``; exit status 1 where it is of another version."""
    engine = make_engine(settings)
    with in_words():
        check(engine)
    return engine
