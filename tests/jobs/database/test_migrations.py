from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Engine, inspect, text

from jobs.database.engine import (
    _config,
    check,
    downgrade,
    make_engine,
    migrate,
    newest_revision,
)
from jobs.errors import DatabaseAhead, DatabaseBehind
from jobs.settings import Settings
from jobs.tables import ONLY_ON, Base


@pytest.fixture
def bare(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine on a database without tables."""
    if backend == "sqlite":
        settings = Settings(data_dir=tmp_path)
    else:
        url = request.getfixturevalue("new_postgres_database")
        settings = Settings(data_dir=tmp_path, database_url=url)
    engine = make_engine(settings)
    yield engine
    engine.dispose()


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names()) - {"alembic_version"}


def test_up_down_up(bare: Engine) -> None:
    assert tables(bare) == set()
    migrate(bare)
    assert tables(bare) == set(Base.metadata.tables)
    downgrade(bare)
    assert tables(bare) == set()
    migrate(bare)
    assert tables(bare) == set(Base.metadata.tables)
    check(bare)


def test_every_migration_goes_down_and_up_again(bare: Engine) -> None:
    revisions = [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()][::-1]
    for revision in revisions:
        migrate(bare, revision)
        downgrade(bare, "-1")
        migrate(bare, revision)
    check(bare)


def test_models_and_migrations_agree(bare: Engine) -> None:
    migrate(bare)
    with bare.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_object": lambda item, *_: item.info.get(ONLY_ON, bare.name) == bare.name,
            },
        )
        assert compare_metadata(context, Base.metadata) == []


def test_constraints_and_indexes_agree(bare: Engine) -> None:
    """What autogenerate does not compare: check constraints, and conditions of partial indexes."""
    migrate(bare)
    found = inspect(bare)
    for table in Base.metadata.sorted_tables:
        checks = {check["name"] for check in found.get_check_constraints(table.name)}
        named = {one.name for one in table.constraints if isinstance(one, CheckConstraint)}
        assert checks == named
    partial = f"{bare.dialect.name}_where"
    conditions = {
        index["name"]: str(index["dialect_options"][partial])
        for table in ("jobs", "job_events", "datasets", "teachers")
        for index in found.get_indexes(table)
        if partial in index.get("dialect_options", {})
    }
    assert set(conditions) == {
        "ix_job_events_counted",
        "ix_jobs_everyones_listing",
        "ix_jobs_leases",
        "ix_jobs_of_sweep",
        "ix_jobs_queue",
        "ix_jobs_queue_of_owner",
        "ix_jobs_running_by_owner",
        "uq_datasets_name",
        "uq_teachers_name",
    }
    assert "rejected" in conditions["uq_datasets_name"] and "rejected" in conditions["uq_teachers_name"]
    assert "'stage_finished'" in conditions["ix_job_events_counted"]
    assert "'queued'" in conditions["ix_jobs_queue"] and "'running'" in conditions["ix_jobs_leases"]


def test_jobs_of_the_first_version_get_their_freeze_depth(bare: Engine) -> None:
    migrate(bare, "0001")
    columns = "id, owner_id, tags, dataset, method, state, request, spec, spec_digest, estimate, created_at"
    values = "'a', 'ann', '[]', 'mnist', 'cartl', 'queued', '{}', '{\"freeze_depth\": 7}', 'd', '{}'"
    with bare.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO jobs ({columns}) VALUES ({values}, CURRENT_TIMESTAMP)")
    migrate(bare)
    with bare.connect() as connection:
        assert connection.execute(text("SELECT freeze_depth FROM jobs")).scalar_one() == 7


def test_an_open_freeze_depth_is_null_and_other_rows_keep_theirs(bare: Engine) -> None:
    migrate(bare, "0008")
    columns = "id, owner_id, tags, dataset, method, freeze_depth, state, request, spec, spec_digest, estimate"
    values = "'ann', '[]', 'mnist', 'cartl', {depth}, 'queued', '{{}}', '{{}}', 'd', '{{}}'"

    def write(job: str, depth: str) -> None:
        row = f"'{job}', {values.format(depth=depth)}, CURRENT_TIMESTAMP"
        with bare.begin() as connection:
            connection.exec_driver_sql(f"INSERT INTO jobs ({columns}, created_at) VALUES ({row})")

    def depths() -> dict[str, int | None]:
        with bare.connect() as connection:
            rows = connection.execute(text("SELECT id, freeze_depth FROM jobs")).all()
            return {row.id: row.freeze_depth for row in rows}

    write("a", "7")
    migrate(bare)
    write("b", "NULL")
    assert depths() == {"a": 7, "b": None}
    downgrade(bare, "0008")
    assert depths() == {"a": 7, "b": 0}


def test_jobs_under_way_keep_what_they_have_lost(bare: Engine) -> None:
    migrate(bare, "0009")
    columns = (
        "id, owner_id, tags, dataset, method, state, attempts_used, request, spec, spec_digest, estimate"
    )
    values = "'a', 'ann', '[]', 'mnist', 'cartl', 'queued', 2, '{}', '{}', 'd', '{}', CURRENT_TIMESTAMP"
    with bare.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO jobs ({columns}, created_at) VALUES ({values})")
    migrate(bare)
    with bare.connect() as connection:
        found = connection.execute(text("SELECT attempts_used, fruitless_attempts FROM jobs")).one()
    assert tuple(found) == (2, 2)


def test_keys_of_jobs_outlive_those_of_data_sets(bare: Engine) -> None:
    migrate(bare, "0014")
    with bare.begin() as connection:
        for key, made in (("a", "resource_id"), ("b", "resource_id")):
            connection.exec_driver_sql(
                f"INSERT INTO idempotency_keys (owner_id, key, body_digest, {made}, created_at) "
                f"VALUES ('ann', '{key}', 'd', 'x', CURRENT_TIMESTAMP)"
            )
    downgrade(bare, "0013")
    with bare.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM idempotency_keys")).scalar_one() == 0
    assert not inspect(bare).has_table("datasets")
    column = next(one for one in inspect(bare).get_columns("idempotency_keys") if one["name"] == "job_id")
    assert column["nullable"] is False


def test_keys_get_the_smallest_role_with_all_that_they_could_do(bare: Engine) -> None:
    scopes = {
        "r": ["read"],
        "s": ["submit"],
        "rs": ["read", "submit"],
        "a": ["admin"],
        "ra": ["admin", "read"],
    }

    def keys(column: str) -> dict[str, str]:
        with bare.connect() as connection:
            rows = connection.execute(text(f"SELECT id, CAST({column} AS text) AS found FROM api_keys"))
            return {row.id: row.found for row in rows}

    migrate(bare, "0020")
    with bare.begin() as connection:
        for key, held in scopes.items():
            connection.exec_driver_sql(
                "INSERT INTO api_keys (id, owner_id, name, hash, scopes, created_at) "
                f"VALUES ('{key}', 'ann', '', 'h', '{json.dumps(held)}', CURRENT_TIMESTAMP)"
            )
    before = keys("scopes")
    migrate(bare)
    roles = {"r": "viewer", "s": "submitter", "rs": "submitter", "a": "operator", "ra": "operator"}
    assert keys("role") == roles
    downgrade(bare, "0020")
    assert keys("scopes") == before


def test_a_database_that_lacks_migrations_is_told(bare: Engine) -> None:
    with pytest.raises(DatabaseBehind, match=r"migration none.*python -m jobs migrate"):
        check(bare)
    migrate(bare)
    check(bare)


def test_a_database_of_a_newer_version_is_refused_in_words(bare: Engine) -> None:
    migrate(bare)
    with bare.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for act in (check, migrate, downgrade):
        with pytest.raises(
            DatabaseAhead, match=r"migration 9999, which this version does not know.*Run that"
        ):
            act(bare)


def test_two_processes_may_migrate_at_once(bare: Engine) -> None:
    together = threading.Barrier(3)
    errors: list[Exception] = []

    def run() -> None:
        together.wait(timeout=60)
        try:
            migrate(bare)
        except Exception as error:  # noqa: BLE001  whatever it is, the test shows it
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert errors == []
    check(bare)


def test_a_failed_migration_leaves_nothing_behind(bare: Engine) -> None:
    """DDL is in one transaction on both databases: a table in the way undoes all that came before it."""
    with bare.begin() as connection:
        connection.execute(text("CREATE TABLE metrics (x INTEGER)"))
    with pytest.raises(Exception, match="metrics"):
        migrate(bare)
    assert tables(bare) == {"metrics"}


def test_migrations_need_no_working_directory(tmp_path: Path) -> None:
    environment = {**os.environ, "CARTL_DATA_DIR": str(tmp_path / "data")}
    done = subprocess.run(
        [sys.executable, "-m", "jobs", "migrate"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == f"The database is at migration {newest_revision()}.\n"
