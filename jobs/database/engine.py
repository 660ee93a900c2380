"""Engines, sessions, transactions and migrations, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic_core import to_json
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import NullPool

from jobs.database.compatibility import Program, Standing, write_compatibility
from jobs.settings import Settings

CONNECT_SECONDS = 5
POOL_SECONDS = 10
# Of a process, all of them kept: those beyond a pool's size are closed and opened again for each request.
CONNECTIONS = 15
BUSY_SECONDS = 30
READING: dict[str, dict[str, Any]] = {
    "sqlite": {"begin": "DEFERRED"},
    "postgresql": {"isolation_level": "AUTOCOMMIT"},
}
_CURRENT = text("SELECT version_num FROM alembic_version")
MIGRATION_LOCK = 0x6361_7274_6C  # "cartl": one migration at a time on PostgreSQL


def make_engine(settings: Settings, *, keep_open: bool = True) -> Engine:
    """An engine for ``settings.database_url``.

    With ``keep_open`` false no connection to SQLite outlives its transaction, for a process that forks.

    PostgreSQL that is gone is noticed within seconds (connect and pool timeouts), and a connection that it
    ended is replaced when it is taken from the pool. SQLite runs in WAL mode and waits for a lock; its
    transactions begin IMMEDIATE unless said otherwise (see ``reading``), so a writer never finds out halfway
    that somebody else was faster.
    """
    url = make_url(settings.database_url)
    if url.get_backend_name() == "postgresql":
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=POOL_SECONDS,
            pool_recycle=1800,
            connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "cartl"},
            json_serializer=_json,
        )
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make_private(url.database)
    pool: dict[str, Any] = {"pool_timeout": POOL_SECONDS} if keep_open else {"poolclass": NullPool}
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, **pool)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_private(database: str) -> None:
    """Make the file for this user only; SQLite gives its mode to the files beside it.

    One that is there is not opened: to close it would drop the locks of this process's connections, and
    another process would delete the write-ahead log that they read. Where it cannot be made, the first
    connection says so.
    """
    with suppress(OSError):
        os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _json(value: object) -> str:
    """JSON for the database, by the quickest writer at hand; a specification is kilobytes."""
    return to_json(value).decode()


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'IMMEDIATE')}")


def session_factory(engine: Engine) -> sessionmaker[Session]:
    """Sessions that keep loaded values after a commit."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def transaction(factory: sessionmaker[Session]) -> Iterator[Session]:
    """A session for writing: committed at the end, rolled back on an error."""
    with factory.begin() as session:
        yield session


@contextmanager
def reading(factory: sessionmaker[Session]) -> Iterator[Session]:
    """A session for reading only: one snapshot on SQLite, one a statement on PostgreSQL; blocks no writer.

    What is changed in it is lost. On PostgreSQL its statements need no transaction around them.
    """
    with factory() as session:
        session.connection(execution_options=READING[session.get_bind().dialect.name])
        yield session
        session.expunge_all()
        session.rollback()


def migrate(engine: Engine, revision: str = "head") -> Standing:
    """Bring the database up to ``revision``; safe when two processes do it at once.

    One that a newer version has migrated, and that this version may use, is left as it is.

    Raises:
        DatabaseAhead: a newer version has migrated it, and this one cannot use it.
    """
    with _migration(engine) as config:
        connection: Connection = config.attributes["connection"]
        found = _revision_of(connection)
        if found is not None and found not in known_revisions():
            return _program().standing(connection, found)
        command.upgrade(config, revision)
        return Standing(_written(connection) or "", newest_revision())


def downgrade(engine: Engine, revision: str = "base") -> None:
    """Bring the database down to ``revision``; what newer tables hold is lost.

    Raises:
        DatabaseAhead: a newer version has migrated it.
    """
    with _migration(engine) as config:
        connection: Connection = config.attributes["connection"]
        found = _revision_of(connection)
        if found is not None and found not in known_revisions():
            raise _program().ahead(found)
        command.downgrade(config, revision)
        _written(connection)


def _written(connection: Connection) -> str | None:
    """The migration that the database is at now, once it says which programs may use it."""
    revision = _revision_of(connection)
    write_compatibility(connection, _script_directory(), revision)
    return revision


@contextmanager
def _migration(engine: Engine) -> Iterator[Config]:
    """Alembic on one connection, in one transaction that no other migration shares."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        config = _config()
        config.attributes["connection"] = connection
        yield config


def _config() -> Config:
    """No alembic.ini: the scripts are found as the package ``migrations``, installed or not."""
    config = Config()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _scripts() -> Path:
    folders = [Path(folder) for folder in import_module("migrations").__path__]
    return next(folder for folder in folders if (folder / "env.py").is_file())


@cache
def _script_directory() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


@cache
def _program() -> Program:
    return Program.of(_script_directory())


def newest_revision() -> str:
    """The newest migration of this version of the program."""
    return _program().newest


def known_revisions() -> frozenset[str]:
    """All migrations of this version of the program."""
    return _program().known


def check(engine: Engine) -> Standing:
    """Where the database is; refused unless this version may use it.

    Raises:
        DatabaseBehind: it lacks migrations.
        DatabaseAhead: a newer version has migrated it, and this one cannot use it.
    """
    with engine.connect().execution_options(begin="DEFERRED") as connection:
        return _program().standing(connection, _revision_of(connection))


def check_within(session: Session) -> None:
    """``check`` in a transaction that is about to be committed: nothing is written for another version."""
    _program().standing(session, session.execute(_CURRENT).scalar_one_or_none())


class VersionGuard:
    """``check_within``, once in ``seconds`` at most.

    A database that a newer version migrates under a running process is refused from the next look on; a
    statement for each write would cost a tenth of `POST /jobs`.
    """

    def __init__(self, seconds: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._good_until = -math.inf

    def check(self, session: Session) -> None:
        """Look, unless the last look was so short ago and found what this version may use.

        Raises:
            DatabaseBehind: it lacks migrations.
            DatabaseAhead: a newer version has migrated it, and this one cannot use it.
        """
        now = self._clock()
        if now < self._good_until:
            return
        check_within(session)
        self._good_until = now + self._seconds


def _revision_of(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
