"""Ten thousand queued jobs: what the database reads to claim, list and count must not grow with them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, delete, event, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database.dialect import Now
from jobs.database.engine import transaction
from jobs.quotas import Limits
from jobs.state import JobState
from jobs.tables import Job
from tests.factories import add_job, claim_if_any, claim_job

JOBS = 10_000
OWNERS = 20
MOST_ROWS = 60
"""Rows that one step of a plan may touch: a few an owner, however many jobs there are."""

COLUMNS = [column.name for column in Job.__table__.columns if column.name not in ("id", "owner_id")]
OWNER = "'owner-' || CASE WHEN n % :owners < 10 THEN '0' ELSE '' END || CAST(n % :owners AS text)"
MULTIPLY = f"""
    WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :jobs)
    INSERT INTO jobs (id, owner_id, {", ".join(COLUMNS)})
    SELECT CAST(n + 100000 AS text), {OWNER}, {", ".join(COLUMNS)} FROM numbers, jobs
"""


@pytest.fixture
def crowd(factory: sessionmaker[Session], engine: Engine) -> sessionmaker[Session]:
    """The same job ten thousand times, of 20 owners in turn."""
    with transaction(factory) as session:
        template = add_job(session, "template").id
        session.execute(text(MULTIPLY), {"jobs": JOBS, "owners": OWNERS})
        session.execute(delete(Job).where(Job.id == template))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE jobs")
    return factory


@contextmanager
def statements(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """What is sent to the database meanwhile."""
    sent: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if " jobs" in statement:
            sent.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from steps(below)


def read_by(engine: Engine, statement: str, parameters: Any) -> Iterator[dict[str, Any]]:
    """The steps of a statement's plan as PostgreSQL ran it; what it changed is rolled back."""
    with engine.connect() as connection:
        shown = connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters
        ).scalar_one()
        connection.rollback()
    tree = json.loads(shown) if isinstance(shown, str) else shown
    yield from steps(tree[0]["Plan"])


@pytest.mark.parametrize("backend", ["postgresql"])
@pytest.mark.parametrize("max_running", [None, 3])
def test_a_claim_reads_a_few_rows_an_owner(
    crowd: sessionmaker[Session], engine: Engine, max_running: int | None
) -> None:
    for turn in range(3):
        with statements(engine) as sent, transaction(crowd) as session:
            assert (
                store.claim(
                    session, worker_id=f"w{turn}", lease_seconds=45, limits=Limits(running=max_running)
                )
                is not None
            )
    with statements(engine) as listed, crowd() as session:
        store.list_jobs(session, "owner-03", state=JobState.QUEUED, limit=20)
        store.list_jobs(session, "owner-03", limit=20)
        store.list_jobs(session, None, limit=20)
    assert len(sent) >= 3 and len(listed) == 3
    for statement, parameters in [*sent, *listed]:
        for step in read_by(engine, statement, parameters):
            assert step["Node Type"] != "Seq Scan" or step["Relation Name"] != "jobs", statement
            removed = step.get("Rows Removed by Filter", 0)
            assert step["Actual Rows"] + removed <= MOST_ROWS, (step, statement)


FEW = 5
FILTERS: list[dict[str, Any]] = [
    {"state": JobState.CANCELLED},
    {"dataset": "svhn"},
    {"method": "lwf"},
    {"tag": "rare"},
    {"dataset": "svhn", "tag": "rare"},
    {"state": JobState.CANCELLED, "method": "lwf"},
]


@pytest.mark.parametrize("backend", ["postgresql"])
@pytest.mark.parametrize("wanted", FILTERS, ids=lambda wanted: "+".join(wanted))
def test_a_filtered_list_reads_what_it_shows(
    crowd: sessionmaker[Session], engine: Engine, wanted: dict[str, Any]
) -> None:
    """The oldest jobs of an owner of thousands have what nobody else has: by time one would read all."""
    with transaction(crowd) as session:
        everything = update(Job).execution_options(synchronize_session=False)
        session.execute(everything.values(owner_id="owner-03"))
        oldest = select(Job.id).order_by(Job.created_at, Job.id).limit(FEW)
        rare = {"state": "cancelled", "finished_at": Now(), "dataset": "svhn", "method": "lwf"}
        session.execute(everything.where(Job.id.in_(oldest)).values(tags=["rare"], **rare))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE jobs")
    with statements(engine) as listed, crowd() as session:
        found, _ = store.list_jobs(session, "owner-03", limit=20, **wanted)
    assert len(found) == FEW and len(listed) == 1
    for step in read_by(engine, *listed[0]):
        assert step["Actual Rows"] + step.get("Rows Removed by Filter", 0) <= MOST_ROWS, step


def test_owners_take_turns_in_a_crowd(crowd: sessionmaker[Session]) -> None:
    taken = [claim_job(crowd).owner for _ in range(2 * OWNERS)]
    everybody = [f"owner-{number:02}" for number in range(OWNERS)]
    assert taken == everybody * 2


def test_a_place_far_behind_is_not_counted_out(crowd: sessionmaker[Session]) -> None:
    with crowd() as session:
        first = store.find(session, "100000")
        last = store.find(session, str(100_000 + JOBS - 1))
        assert store.queue_position(session, first) == 1
        assert store.queue_position(session, last) == 101


def test_a_list_leaves_the_large_columns_where_they_are(crowd: sessionmaker[Session], engine: Engine) -> None:
    with statements(engine) as sent, crowd() as session:
        rows, _ = store.list_jobs(session, "owner-01", limit=10)
    assert len(rows) == 10 and rows[0].freeze_depth == 2 and len(sent) == 1
    read = set(re.findall(r"jobs\.(\w+)", sent[0][0]))
    assert "state" in read and not read & {"spec", "report", "request", "runtime", "estimate"}
    with pytest.raises(SQLAlchemyError, match=r"spec.*cannot proceed"):
        _ = rows[0].spec


@pytest.mark.parametrize("backend", ["sqlite"])
def test_sqlite_uses_its_indexes_too(crowd: sessionmaker[Session], engine: Engine) -> None:
    with statements(engine) as sent:
        claim_job(crowd)
    for statement, parameters in sent:
        with engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            connection.rollback()
        told = [row[-1] for row in plan]
        assert not [line for line in told if line.startswith("SCAN jobs") and "INDEX" not in line], told


def test_text_of_the_claim_names_its_states(factory: sessionmaker[Session], engine: Engine) -> None:
    """A bound state would keep both databases from their partial indexes."""
    with statements(engine) as sent:
        claim_if_any(factory)
    assert "= 'queued'" in sent[0][0]
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM jobs")).scalar_one() == 0
