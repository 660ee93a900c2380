"""A record as a large service has it: thousands of queued jobs, a running one in every slot of the fleet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert, inspect, select
from sqlalchemy.orm import Session

from benchmarks.load.record import COST, REQUEST
from cartl_core.planning.resolve import resolve
from jobs import store
from jobs.devices import ONE_CPU, slots_on
from jobs.tables import Job, Worker

OWNERS = 20


def fill(session: Session, jobs: int, workers: int) -> None:
    """``jobs`` queued ones of ``OWNERS`` owners in turn, and ``workers`` with a running job each."""
    spec = resolve(REQUEST)
    first = store.submit(session, request=REQUEST, spec=spec, estimate=COST, owner="owner-0")
    row = _columns(session, first.id)
    session.execute(insert(Job), [_copy(row, f"q{number:08}", number) for number in range(jobs - 1)])
    names = [f"worker-{number}" for number in range(workers)]
    for name in names:
        slots = slots_on(ONE_CPU, 1)
        store.worker_started(
            session, worker_id=name, host=name, pid=1, slots=slots, version="0", pid_space=name
        )
    started = datetime.now(UTC)
    held = {"state": "running", "token": 1, "supervisor_pid": 1, "event_count": 2, "started_at": started}
    held |= {"lease_expires_at": started + timedelta(hours=1), "heartbeat_at": started}
    running = [
        _copy(row, f"r{number:08}", number) | held | {"worker_id": name} for number, name in enumerate(names)
    ]
    session.execute(insert(Job), running)


def analyse(engine: Engine) -> None:
    """Let the planner know the tables, as a database that has run for a while does."""
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("ANALYZE")


def rows_of(session: Session, table: type[Job] | type[Worker]) -> list[str]:
    """The ids in a table."""
    return list(session.execute(select(table.id).order_by(table.id)).scalars())


def _columns(session: Session, job_id: str) -> dict[str, Any]:
    job = session.get_one(Job, job_id)
    return {column.key: getattr(job, column.key) for column in inspect(Job).column_attrs}


def _copy(row: dict[str, Any], job_id: str, number: int) -> dict[str, Any]:
    return row | {"id": job_id, "owner_id": f"owner-{number % OWNERS}"}
