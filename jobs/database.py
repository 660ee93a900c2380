"""Engines, sessions, transactions and migrations, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from jobs.settings import Settings


def make_engine(settings: Settings) -> Engine:
    """An engine for ``settings.database_url``."""
    raise NotImplementedError


def session_factory(engine: Engine) -> sessionmaker[Session]:
    """Sessions that keep loaded values after a commit."""
    raise NotImplementedError


@contextmanager
def transaction(factory: sessionmaker[Session]) -> Iterator[Session]:
    """A session for writing: committed at the end, rolled back on an error."""
    raise NotImplementedError
    yield


@contextmanager
def reading(factory: sessionmaker[Session]) -> Iterator[Session]:
    """A session for reading only: never blocks a writer, never commits."""
    raise NotImplementedError
    yield


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the database to ``revision``; safe when two processes do it at once."""
    raise NotImplementedError


def check(engine: Engine) -> None:
    """Raise ``DatabaseBehind`` unless the database is at this version's newest migration."""
    raise NotImplementedError
