from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError
from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database.dialect import FromNow, Now, insert_if_new
from jobs.database.engine import (
    CONNECTIONS,
    VersionGuard,
    make_engine,
    newest_revision,
    reading,
    transaction,
)
from jobs.errors import DatabaseAhead
from jobs.settings import Settings
from jobs.tables import OF_ANYBODY, Job, Lock, Metric


def test_the_databases_clock(factory: sessionmaker[Session]) -> None:
    with reading(factory) as session:
        now, later, before = session.execute(select(Now(), FromNow(90.5), FromNow(-0.25))).one()
    assert now.utcoffset() == timedelta(0)
    assert abs((now - datetime.now(UTC)).total_seconds()) < 5
    assert abs((later - now).total_seconds() - 90.5) < 0.01
    assert abs((now - before).total_seconds() - 0.25) < 0.01


def test_times_survive_and_naive_ones_are_refused(factory: sessionmaker[Session]) -> None:
    moment = datetime(2026, 2, 3, 4, 5, 6, 789000, tzinfo=UTC)
    with transaction(factory) as session:
        assert insert_if_new(session, Lock, name="a", holder="x", expires_at=moment)
        assert not insert_if_new(session, Lock, name="a", holder="y", expires_at=moment)
    with reading(factory) as session:
        lock = session.get_one(Lock, "a")
        assert (lock.holder, lock.expires_at) == ("x", moment)
    with pytest.raises(StatementError, match="no time zone"), transaction(factory) as session:
        insert_if_new(session, Lock, name="b", holder="x", expires_at=moment.replace(tzinfo=None))


def test_foreign_keys_and_checks_hold(factory: sessionmaker[Session], submit: Any) -> None:
    with pytest.raises(IntegrityError), transaction(factory) as session:
        session.add(Metric(job_id="nobody", name="x", step=1, value=1.0))
    job_id = submit()
    for wrong in (
        "state = 'lost'",
        "state = 'running'",
        "state = 'succeeded'",
        "worker_id = 'w', lease_expires_at = created_at",
        "cancel_requested_at = created_at",
    ):
        with pytest.raises(IntegrityError), transaction(factory) as session:
            session.execute(text(f"UPDATE jobs SET {wrong} WHERE id = :id"), {"id": job_id})


def test_readers_do_not_block_writers_nor_writers_readers(
    factory: sessionmaker[Session], submit: Any
) -> None:
    job_id = submit()
    with reading(factory) as reader:
        assert store.find(reader, job_id).state == "queued"
        with transaction(factory) as writer:
            store.request_cancel(writer, job_id)
            with reading(factory) as other:
                assert store.find(other, job_id).state == "queued"
    with reading(factory) as reader:
        assert store.find(reader, job_id).state == "cancelled"


def test_reading_writes_nothing(factory: sessionmaker[Session], submit: Any) -> None:
    job_id = submit()
    with reading(factory) as session:
        store.find(session, job_id).name = "changed"
    with reading(factory) as session:
        assert store.find(session, job_id).name is None


def test_rows_can_be_used_after_the_session(factory: sessionmaker[Session], submit: Any) -> None:
    job_id = submit()
    with transaction(factory) as session:
        written = store.request_cancel(session, job_id)
    assert written.state == "cancelled" and written.spec["dataset"]["name"] == "digits"


def test_sqlite_writers_wait_for_each_other(tmp_path: Path) -> None:
    """A transaction takes the write lock when it begins, so it never fails halfway for somebody faster."""
    engine = make_engine(Settings(data_dir=tmp_path))
    with engine.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        connection.execute(text("CREATE TABLE counter (value INTEGER)"))
        connection.execute(text("INSERT INTO counter VALUES (0)"))

    def count() -> None:
        for _ in range(20):
            with engine.begin() as connection:
                value = connection.execute(text("SELECT value FROM counter")).scalar_one()
                connection.execute(text("UPDATE counter SET value = :next"), {"next": value + 1})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT value FROM counter")).scalar_one() == 80
    engine.dispose()


def test_a_postgresql_that_is_away_is_noticed_at_once(tmp_path: Path) -> None:
    away = make_engine(Settings(data_dir=tmp_path, database_url="postgresql://cartl@127.0.0.1:1/cartl"))
    began = time.monotonic()
    with pytest.raises(OperationalError), away.connect():
        pass
    assert time.monotonic() - began < 25  # the pool would wait 30 seconds


def test_a_connection_that_postgresql_ended_is_replaced(migrated_postgres: Engine, tmp_path: Path) -> None:
    url = migrated_postgres.url.render_as_string(hide_password=False)
    engine = make_engine(Settings(data_dir=tmp_path, database_url=url))
    with engine.connect() as connection:
        first = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with migrated_postgres.connect() as connection:
        # With a time given, PostgreSQL waits until the process is gone.
        connection.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": first})
    with engine.connect() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() != first
    engine.dispose()


def test_as_many_connections_are_kept_as_may_be_open(migrated_postgres: Engine, tmp_path: Path) -> None:
    """One that is closed when it is given back costs the next request a new one."""
    url = migrated_postgres.url.render_as_string(hide_password=False)
    engine = make_engine(Settings(data_dir=tmp_path, database_url=url))

    def pids() -> set[int]:
        with ExitStack() as stack:
            connections = [stack.enter_context(engine.connect()) for _ in range(CONNECTIONS)]
            return {one.execute(text("SELECT pg_backend_pid()")).scalar_one() for one in connections}

    assert pids() == pids()
    engine.dispose()


@pytest.mark.parametrize("backend", ["postgresql"])
def test_reading_keeps_no_transaction_open_on_postgresql(factory: sessionmaker[Session]) -> None:
    with reading(factory) as session:
        first, second = (session.execute(text("SELECT txid_current()")).scalar_one() for _ in range(2))
    assert first != second
    with transaction(factory) as session:
        first, second = (session.execute(text("SELECT txid_current()")).scalar_one() for _ in range(2))
    assert first == second


def test_claims_leases_and_lists_are_served_by_indexes(
    factory: sessionmaker[Session], submit: Any, engine: Engine
) -> None:
    """Row counts are small here, so the planner is told to avoid scans of the table where it can."""
    submit()
    explain = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN"}[engine.dialect.name]
    questions = {
        "ix_jobs_leases|ix_jobs_running_by_owner": select(Job.id).where(
            Job.state == text("'running'"), Job.lease_expires_at <= Now()
        ),
        "ix_jobs_listing": select(Job.id)
        .where(Job.owner_id == "ann")
        .order_by(Job.created_at.desc(), Job.id.desc())
        .limit(5),
        "ix_jobs_everyones_listing": select(Job.id)
        .where(text(f"jobs.{OF_ANYBODY}"))
        .order_by(Job.created_at.desc(), Job.id.desc())
        .limit(5),
    }
    with transaction(factory) as session:
        if engine.dialect.name == "postgresql":
            for way in ("enable_seqscan", "enable_bitmapscan"):
                session.execute(text(f"SET LOCAL {way} = off"))
        for indexes, question in questions.items():
            compiled = question.compile(engine, compile_kwargs={"literal_binds": True})
            connection = session.connection()
            plan = "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {compiled}"))
            assert any(index in plan for index in indexes.split("|"))
            assert "Sort" not in plan and "TEMP B-TREE" not in plan, plan


def test_the_version_is_looked_at_once_in_a_while_and_a_refusal_is_not_remembered(engine: Engine) -> None:
    now = 0.0
    guard = VersionGuard(seconds=1.0, clock=lambda: now)

    def move_to(version: str) -> None:
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE alembic_version SET version_num = :version"), {"version": version}
            )

    def look() -> None:
        with Session(engine) as session:
            guard.check(session)

    newest = newest_revision()
    assert newest is not None
    look()
    move_to("9999")
    now = 0.9
    look()
    now = 1.1
    with pytest.raises(DatabaseAhead):
        look()
    move_to(newest)
    look()


@pytest.mark.parametrize("backend", ["sqlite"])
def test_another_engine_of_this_process_leaves_the_locks_of_the_first_alone(
    settings: Settings, engine: Engine
) -> None:
    """Without them another process deletes the write-ahead log, and the first reads what was for ever."""
    write = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); "
        "c.execute('INSERT INTO n VALUES (1)'); c.commit(); c.close()"
    )

    def count() -> int:
        with engine.connect().execution_options(begin="DEFERRED") as connection:
            return int(connection.execute(text("SELECT count(*) FROM n")).scalar_one())

    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE n (i INTEGER)"))
    make_engine(settings).dispose()
    for written in (1, 2, 3):
        subprocess.run([sys.executable, "-c", write, str(engine.url.database)], check=True, timeout=60)
        assert count() == written
