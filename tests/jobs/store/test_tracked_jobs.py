"""How far trackers have come with jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database.dialect import FromNow
from jobs.database.engine import reading, transaction
from jobs.store.tracked_jobs import MOST_FAILURES, Tracked, due_for, follow, move_on, put_off
from jobs.tables import TrackedJob

Do = Callable[..., Any]


@pytest.fixture
def due(factory: sessionmaker[Session]) -> Callable[[], list[Tracked]]:
    def read() -> list[Tracked]:
        with reading(factory) as session:
            return list(due_for(session, "mlflow", 10))

    return read


def row(factory: sessionmaker[Session], job_id: str) -> TrackedJob:
    with reading(factory) as session:
        return session.get_one(TrackedJob, ("mlflow", job_id))


def test_a_job_is_due_while_there_is_news_and_done_with_its_last_event(
    do: Do, submit: Any, claim: Any, due: Any, factory: sessionmaker[Session]
) -> None:
    job_id = submit()
    held = claim()
    assert due() == []
    do(follow, job_id, ("mlflow", "wandb"))
    (first,) = due()
    assert (first.number, first.run) == (0, None)
    do(move_on, first, number=2, run="r1")
    assert due() == [], "both events are taken"
    do(store.complete, held)
    (last,) = due()
    assert (last.number, last.run) == (2, "r1")
    do(move_on, last, number=3, run="r1")
    assert due() == [] and row(factory, job_id).ended_at is not None


def test_an_end_that_is_not_the_last_event_is_none(
    do: Do, submit: Any, claim: Any, due: Any, factory: sessionmaker[Session]
) -> None:
    """A retry comes between what the tracker read and what it notes."""
    job_id = submit()
    held = claim()
    do(follow, job_id, ("mlflow",))
    do(store.fail, held, "out_of_memory", "")
    (read,) = due()
    do(store.retry, job_id)
    do(move_on, read, number=3, run=None)
    assert row(factory, job_id).ended_at is None
    assert [tracked.number for tracked in due()] == [3]


def test_a_claim_after_a_retry_opens_a_tracking_that_had_ended(
    do: Do, submit: Any, claim: Any, due: Any
) -> None:
    job_id = submit()
    held = claim()
    do(follow, job_id, ("mlflow",))
    do(store.fail, held, "out_of_memory", "")
    do(move_on, due()[0], number=3, run="r1")
    do(store.retry, job_id)
    claim()
    assert due() == []
    do(follow, job_id, ("mlflow",))
    (again,) = due()
    assert (again.number, again.run) == (3, "r1")


def test_attempts_count_as_failed_until_they_move_on_and_end_some_day(
    do: Do, submit: Any, claim: Any, due: Any, factory: sessionmaker[Session]
) -> None:
    job_id = submit()
    claim()
    do(follow, job_id, ("mlflow",))
    (first,) = due()
    assert do(put_off, first) and due() == []
    late = update(TrackedJob).values(failures=MOST_FAILURES - 1, next_at=FromNow(-1))
    with transaction(factory) as session:
        session.execute(late)
    assert not do(put_off, due()[0])
    assert row(factory, job_id).ended_at is not None and due() == []
    do(move_on, first, number=1, run=None)
    assert row(factory, job_id).failures == 0 and [one.number for one in due()] == [1]


def test_a_process_that_comes_late_moves_nothing_back(
    do: Do, submit: Any, claim: Any, due: Any, factory: sessionmaker[Session]
) -> None:
    job_id = submit()
    claim()
    do(follow, job_id, ("mlflow",))
    (early,) = due()
    do(move_on, early, number=2, run="r1")
    do(move_on, early, number=1, run="r2")
    assert (row(factory, job_id).number, row(factory, job_id).run) == (2, "r1")
