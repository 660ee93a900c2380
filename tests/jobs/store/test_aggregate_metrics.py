"""The figures that Prometheus is told, from stories of known ends; and what is read for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, event, text, update
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.events import StageFinished
from jobs import store
from jobs.database.dialect import FromNow
from jobs.database.engine import transaction
from jobs.devices import ONE_CPU, slots_on
from jobs.store import Claim
from jobs.tables import Job, JobEvent

Do = Callable[..., Any]


def finished(stage: Any, seconds: float, *, reused: bool = False) -> StageFinished:
    return StageFinished(stage=stage, label="x", digest="d", reused=reused, seconds=seconds)


def test_nothing_has_happened_yet(do: Do) -> None:
    seen = do(store.tally)
    assert (seen.claims, seen.last_claim_at, seen.recoveries, seen.stage_seconds) == (0, None, {}, {})
    assert (seen.oldest_queued_seconds, seen.last_heartbeat_at, seen.longest_silence_seconds) == (0, None, 0)


def test_claims_and_recoveries_are_counted_by_why(submit: Any, do: Do, claim: Callable[..., Claim]) -> None:
    submit(max_attempts=4)
    do(store.requeue_after_crash, claim())
    do(store.requeue_after_crash, claim())
    claim(lease_seconds=-1)
    do(store.reap_expired)
    do(store.requeue_after_crash, claim())  # the fourth loss: failed, not recovered
    seen = do(store.tally)
    assert seen.claims == 4
    assert abs((datetime.now(UTC) - seen.last_claim_at).total_seconds()) < 60
    assert seen.recoveries == {"child_lost": 2, "lease_expired": 1}
    assert set(seen.recoveries) <= set(store.LOSSES)


def test_ages_go_by_the_databases_clock(
    submit: Any, do: Do, claim: Callable[..., Claim], factory: sessionmaker[Session]
) -> None:
    running, queued = submit(), submit()
    claim()
    with transaction(factory) as session:
        session.execute(update(Job).where(Job.id == queued).values(created_at=FromNow(-120)))
        session.execute(update(Job).where(Job.id == running).values(heartbeat_at=FromNow(-50)))
    do(store.worker_started, worker_id="w9", host="h", pid=1, slots=slots_on(ONE_CPU, 2), version="0")
    seen = do(store.tally)
    assert 120 <= seen.oldest_queued_seconds < 180
    assert 50 <= seen.longest_silence_seconds < 110
    assert abs(seen.last_heartbeat_at.timestamp() - time.time()) < 60


def test_stages_that_were_computed_within_a_day(
    submit: Any, do: Do, claim: Callable[..., Claim], factory: sessionmaker[Session]
) -> None:
    submit()
    mine = claim()
    for told in (
        finished("pretrain", 9.0),
        finished("pretrain", 0.1, reused=True),
        finished("evaluate", 2.0),
    ):
        do(store.record, mine, told)
    with transaction(factory) as session:
        old = update(JobEvent).where(JobEvent.type == "stage_finished").values(at=FromNow(-3600.0 * 25))
        session.execute(old)
    for seconds in (3.0, 4.0):
        do(store.record, mine, finished("transfer", seconds))
    assert do(store.tally).stage_seconds == {"transfer": [4.0, 3.0]}


def test_no_figure_reads_all_events(
    submit: Any, do: Do, claim: Callable[..., Claim], factory: sessionmaker[Session], engine: Engine
) -> None:
    job_id = submit()
    claim()
    with transaction(factory) as session:
        session.execute(
            text(
                "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 6000) "
                "INSERT INTO job_events (job_id, number, type, attempt, at, body) "
                "SELECT :job, i, 'epoch_finished', 1, e.at, '{}' FROM n, job_events e WHERE e.number = 1"
            ),
            {"job": job_id},
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE job_events")
    sent: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda c, k, sql, values, *_: sent.append((sql, values)))
    do(store.tally)
    of_events = [pair for pair in sent if "job_events" in pair[0]]
    assert len(of_events) == 3
    explain = "EXPLAIN " if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
    for sql, values in of_events:
        with engine.connect() as connection:
            plan = "\n".join(str(row) for row in connection.exec_driver_sql(explain + sql, values))
        assert "ix_job_events_counted" in plan, plan
        assert "Seq Scan" not in plan


@pytest.mark.parametrize("hours", [23.9, 24.1])
def test_the_window_ends_after_a_day(
    submit: Any, do: Do, claim: Callable[..., Claim], factory: sessionmaker[Session], hours: float
) -> None:
    submit()
    do(store.record, claim(), finished("pretrain", 9.0))
    with transaction(factory) as session:
        session.execute(
            update(JobEvent).where(JobEvent.type == "stage_finished").values(at=FromNow(-3600 * hours))
        )
    assert bool(do(store.tally).stage_seconds) is (hours < 24)
