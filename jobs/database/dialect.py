"""Where SQLite and PostgreSQL differ: the database's clock, times, JSON and tags.

Decisions about time (leases, delays) are made by the database's clock alone, so a worker whose
clock is wrong does no harm. ``Now()`` and ``FromNow(seconds)`` are SQL expressions for it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Float, String, inspect, literal
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean, TypeDecorator, TypeEngine


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime in UTC: ``timestamptz`` on PostgreSQL, sortable text on SQLite."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column type of each database."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware times only; SQLite keeps them without the zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Always aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def json_type() -> TypeEngine[Any]:
    """JSON text on SQLite, ``jsonb`` on PostgreSQL; Python's None is SQL's NULL."""
    return JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class Now(FunctionElement[datetime]):
    """The database's clock. On PostgreSQL stable within a statement, so that indexes serve it."""

    inherit_cache = True
    type = UtcTime()


class FromNow(FunctionElement[datetime]):
    """The database's clock plus so many seconds (may be negative)."""

    inherit_cache = True
    type = UtcTime()

    def __init__(self, seconds: float) -> None:
        super().__init__(literal(float(seconds), Float()))


class HasTag(FunctionElement[bool]):
    """True when the JSON array in ``column`` has the string ``tag``."""

    inherit_cache = True
    type = Boolean()

    def __init__(self, column: ColumnElement[Any], tag: str) -> None:
        super().__init__(column, literal(tag, String()))


class SecondsBetween(FunctionElement[float]):
    """Seconds from one time to a later one; null where one of them is."""

    inherit_cache = True
    type = Float()

    def __init__(self, start: ColumnElement[Any] | Any, end: ColumnElement[Any] | Any) -> None:
        super().__init__(start, end)


# SQLAlchemy writes SQLite's times as 'YYYY-MM-DD HH:MM:SS.ffffff'; SQLite's own clock has milliseconds.
_SQLITE_FORMAT = "'%Y-%m-%d %H:%M:%f000'"


def _arguments(element: FunctionElement[Any], compiler: SQLCompiler, options: dict[str, Any]) -> list[str]:
    return [compiler.process(argument, **options) for argument in element.clauses]


@compiles(Now, "postgresql")
def _now_postgresql(element: Now, compiler: SQLCompiler, **_: Any) -> str:
    return "statement_timestamp()"


@compiles(Now, "sqlite")
def _now_sqlite(element: Now, compiler: SQLCompiler, **_: Any) -> str:
    return f"strftime({_SQLITE_FORMAT}, 'now')"


@compiles(FromNow, "postgresql")
def _from_now_postgresql(element: FromNow, compiler: SQLCompiler, **options: Any) -> str:
    (seconds,) = _arguments(element, compiler, options)
    return f"(statement_timestamp() + make_interval(secs => CAST({seconds} AS double precision)))"


@compiles(FromNow, "sqlite")
def _from_now_sqlite(element: FromNow, compiler: SQLCompiler, **options: Any) -> str:
    (seconds,) = _arguments(element, compiler, options)
    return f"strftime({_SQLITE_FORMAT}, 'now', printf('%+.3f seconds', {seconds}))"


@compiles(SecondsBetween, "postgresql")
def _seconds_postgresql(element: SecondsBetween, compiler: SQLCompiler, **options: Any) -> str:
    start, end = _arguments(element, compiler, options)
    return f"CAST(extract(epoch FROM {end} - {start}) AS double precision)"


@compiles(SecondsBetween, "sqlite")
def _seconds_sqlite(element: SecondsBetween, compiler: SQLCompiler, **options: Any) -> str:
    start, end = _arguments(element, compiler, options)
    return f"((julianday({end}) - julianday({start})) * 86400.0)"


@compiles(HasTag, "postgresql")
def _has_tag_postgresql(element: HasTag, compiler: SQLCompiler, **options: Any) -> str:
    column, tag = _arguments(element, compiler, options)
    return f"({column} @> jsonb_build_array(CAST({tag} AS text)))"


@compiles(HasTag, "sqlite")
def _has_tag_sqlite(element: HasTag, compiler: SQLCompiler, **options: Any) -> str:
    column, tag = _arguments(element, compiler, options)
    return f"EXISTS (SELECT 1 FROM json_each({column}) WHERE json_each.value = {tag})"


def insert_if_new(session: Session, table: type[DeclarativeBase], **values: Any) -> bool:
    """Insert a row unless its key is taken; True when it was inserted.

    On PostgreSQL a row that another transaction is inserting is waited for.
    """
    key = inspect(table).primary_key[0]
    if session.get_bind().dialect.name == "postgresql":
        new = postgresql.insert(table).values(**values).on_conflict_do_nothing().returning(key)
        return session.execute(new).one_or_none() is not None
    fresh = sqlite.insert(table).values(**values).on_conflict_do_nothing().returning(key)
    return session.execute(fresh).one_or_none() is not None
