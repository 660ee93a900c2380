"""Which versions may use a database, and whether migrations that let earlier ones go on only add."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from jobs.database.compatibility import Program, compatible_from
from jobs.database.engine import _script_directory, check, downgrade, make_engine, migrate, newest_revision
from jobs.errors import DatabaseAhead, DatabaseBehind
from jobs.settings import Settings

FIRST = "0024"
"""The migration from which on each one says how far back it is understood."""
LATER = "9999"


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Engine]:
    """A SQLite database without tables."""
    engine = make_engine(Settings(data_dir=tmp_path))
    yield engine
    engine.dispose()


def shape(engine: Engine) -> dict[str, Any]:
    """Tables, their columns and what must hold of them, by name."""
    found = inspect(engine)
    shapes: dict[str, Any] = {}
    for table in found.get_table_names():
        for column in found.get_columns(table):
            needs_value = not column["nullable"] and column["default"] is None
            shapes[f"column {table}.{column['name']}"] = (str(column["type"]), needs_value)
        for index in found.get_indexes(table):
            shapes[f"index {table}.{index['name']}"] = (index["column_names"], bool(index["unique"]))
        for constraint in found.get_check_constraints(table):
            shapes[f"check {table}.{constraint['name']}"] = constraint["sqltext"]
    return shapes


def no_expansion(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What an earlier program may stumble over."""
    found = [f"{name} is gone or another" for name in before if after.get(name) != before[name]]
    old_tables = {name.split(" ")[1].split(".")[0] for name in before}
    for name in after:
        kind, where = name.split(" ")
        if name in before or where.split(".")[0] not in old_tables:
            continue
        if kind == "column" and after[name][1]:
            found.append(f"{name} needs a value, which an earlier program does not give")
        if kind == "check" or (kind == "index" and after[name][1]):
            found.append(f"{name} is a rule that an earlier program does not know")
    return found


def test_each_migration_says_how_far_back_it_is_understood() -> None:
    scripts = [one for one in _script_directory().walk_revisions() if one.revision >= FIRST]
    assert scripts
    for script in scripts:
        named = script.module.COMPATIBLE_FROM
        assert FIRST <= named <= script.revision, script.revision
    assert compatible_from(_script_directory(), newest_revision()) >= FIRST


def test_migrations_that_let_earlier_versions_go_on_only_add(fresh: Engine) -> None:
    for script in reversed([*_script_directory().walk_revisions()]):
        if script.revision < FIRST:
            continue
        if script.revision > script.module.COMPATIBLE_FROM:
            migrate(fresh, str(script.down_revision))
            before = shape(fresh)
            migrate(fresh, script.revision)
            assert no_expansion(before, shape(fresh)) == [], script.revision
    migrate(fresh)
    check(fresh)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("ALTER TABLE jobs ADD COLUMN colour TEXT", None),
        ("ALTER TABLE jobs ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'", None),
        ("CREATE TABLE colours (name TEXT NOT NULL)", None),
        ("CREATE INDEX ix_colours ON jobs (name)", None),
        ("ALTER TABLE jobs RENAME COLUMN name TO title", "column jobs.name is gone or another"),
        ("DROP TABLE metrics", "column metrics.name is gone or another"),
        ("DROP INDEX ix_jobs_leases", "index jobs.ix_jobs_leases is gone or another"),
        (
            "CREATE UNIQUE INDEX uq_names ON jobs (name)",
            "index jobs.uq_names is a rule that an earlier program does not know",
        ),
        (
            "ALTER TABLE jobs ADD COLUMN n INT CHECK (n > 0)",
            "check jobs.None is a rule that an earlier program does not know",
        ),
    ],
)
def test_what_is_no_expansion_is_seen(fresh: Engine, change: str, fault: str | None) -> None:
    migrate(fresh)
    before = shape(fresh)
    with fresh.begin() as connection:
        connection.execute(text(change))
    found = no_expansion(before, shape(fresh))
    assert (fault in found) if fault else found == []


def test_a_column_that_needs_a_value_is_no_expansion() -> None:
    before = {"column jobs.id": ("VARCHAR", True)}
    after = before | {"column jobs.colour": ("VARCHAR", True), "column colours.name": ("VARCHAR", True)}
    assert no_expansion(before, after) == [
        "column jobs.colour needs a value, which an earlier program does not give"
    ]


@pytest.mark.parametrize(
    ("row", "goes_on"),
    [
        ((LATER, newest_revision()), True),
        ((LATER, FIRST), True),
        ((LATER, "9998"), False),
        ((newest_revision(), FIRST), False),
        (None, False),
    ],
)
def test_a_later_migration_counts_if_the_database_names_this_version_for_it(
    engine: Engine, row: tuple[str, str] | None, goes_on: bool
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": LATER})
        connection.execute(text("DELETE FROM schema_compatibility"))
        if row is not None:
            connection.execute(
                text("INSERT INTO schema_compatibility VALUES (:at, :named)"),
                dict(zip(("at", "named"), row, strict=True)),
            )
    try:
        if goes_on:
            assert check(engine).is_newer and migrate(engine).revision == LATER
        else:
            with pytest.raises(DatabaseAhead, match="a newer version has migrated it"):
                check(engine)
            with pytest.raises(DatabaseAhead):
                migrate(engine)
        with pytest.raises(DatabaseAhead):
            downgrade(engine)
    finally:
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE alembic_version SET version_num = :it"), {"it": newest_revision()}
            )


def test_a_database_without_the_table_names_nobody(fresh: Engine) -> None:
    migrate(fresh, "0023")
    with fresh.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": LATER})
    with pytest.raises(DatabaseAhead):
        check(fresh)


def test_a_later_program_says_what_becomes_of_the_running_one(fresh: Engine) -> None:
    migrate(fresh, "0023")
    for oldest, then in (("0023", "may go on beside this one"), ("0024", "must be stopped first")):
        later = Program(newest="0025", known=frozenset({"0023", "0024", "0025"}), oldest_beside=oldest)
        with fresh.connect() as connection, pytest.raises(DatabaseBehind, match=then):
            later.standing(connection, "0023")


def test_a_migration_names_none_that_is_later_or_unknown(tmp_path: Path) -> None:
    scripts = tmp_path / "migrations"
    (scripts / "versions").mkdir(parents=True)
    (scripts / "env.py").touch()
    for named in ("0002", "0000"):
        (scripts / "versions/first.py").write_text(
            f"revision, down_revision, COMPATIBLE_FROM = '0001', None, {named!r}\n"
        )
        with pytest.raises(ValueError, match="COMPATIBLE_FROM"):
            compatible_from(ScriptDirectory(str(scripts)), "0001")
