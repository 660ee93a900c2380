"""Which job goes next, against an oracle in Python; what a priority does and what it cannot do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database.engine import reading, transaction
from jobs.errors import JobEnded, JobNotFound
from jobs.store import Claim
from jobs.tables import Job
from tests.factories import claim_if_any, claim_job, submit_job

Do = Callable[..., Any]
OWNERS = ("ann", "bob", "cyd")
PRIORITIES = st.integers(-2, 2)
STEPS = st.one_of(
    st.tuples(st.just("submit"), st.sampled_from(OWNERS), PRIORITIES),
    st.tuples(st.just("claim"), st.none(), st.none()),
    st.tuples(st.just("finish"), st.integers(0, 9), st.none()),
    st.tuples(st.just("set priority"), st.integers(0, 9), PRIORITIES),
)


def next_of(queued: list[tuple[str, int, datetime, str]], running: Counter[str]) -> str:
    """The oracle: each owner's best job, and of these the one of whoever runs least, then the oldest."""
    best = {
        owner: min((-priority, at, job_id) for name, priority, at, job_id in queued if name == owner)
        for owner in {row[0] for row in queued}
    }
    return min((running[owner], at, job_id) for owner, (_, at, job_id) in best.items())[2]


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, min_size=4, max_size=16))
def test_claims_go_in_the_order_of_the_oracle(
    factory: sessionmaker[Session], steps: list[tuple[str, Any, Any]]
) -> None:
    with transaction(factory) as session:
        session.execute(delete(Job))
    running: list[Claim] = []
    for what, value, priority in [*steps, *[("claim", None, None)] * 3]:
        with reading(factory) as session:
            rows = session.execute(
                select(Job.owner_id, Job.priority, Job.created_at, Job.id).where(Job.state == "queued")
            )
            queued = [(row[0], row[1], row[2], row[3]) for row in rows]
        if what == "submit":
            submit_job(factory, value, priority=priority)
        elif what == "claim":
            claimed = claim_if_any(factory)
            assert (claimed is None) == (not queued)
            if claimed is not None:
                assert claimed.job_id == next_of(queued, Counter(one.owner for one in running))
                running.append(claimed)
        elif what == "finish" and running:
            with transaction(factory) as session:
                store.complete(session, running.pop(value % len(running)))
        elif what == "set priority" and queued:
            owner, _, _, job_id = queued[value % len(queued)]
            with transaction(factory) as session:
                store.set_priority(session, job_id, owner, priority)


def test_a_priority_starves_no_other_owner(factory: sessionmaker[Session]) -> None:
    """One slot; ann prefers each of her new jobs to all that wait."""
    older = submit_job(factory, "ann")
    patient = submit_job(factory, "bob", priority=-10)
    taken = []
    for _ in range(3):
        submit_job(factory, "ann", priority=10)
        claim = claim_job(factory)
        taken.append(claim.job_id)
        with transaction(factory) as session:
            store.complete(session, claim)
    assert taken[0] == patient and older not in taken


def test_a_place_follows_the_priority(submit: Any, do: Do) -> None:
    first, bobs, second = submit(), submit(owner="bob"), submit()

    def places() -> list[int | None]:
        return [
            do(lambda session, one: store.queue_position(session, store.find(session, one)), job_id)
            for job_id in (first, bobs, second)
        ]

    assert places() == [1, 2, 3]
    assert do(store.set_priority, second, "ann", 1).priority == 1
    assert places() == [3, 2, 2]
    do(store.set_priority, second, "ann", -1)
    assert places() == [1, 2, 3]


def test_a_change_of_priority_is_told_once(submit: Any, do: Do, story: Callable[[str], list[str]]) -> None:
    job_id = submit(owner="ann")
    for priority in (0, 3, 3):
        do(store.set_priority, job_id, "ann", priority)
    assert story(job_id) == ["submitted", "priority_changed"]


def test_priorities_are_for_ones_own_jobs_that_have_not_ended(
    submit: Any, do: Do, claim: Callable[..., Claim], row: Callable[[str], Job]
) -> None:
    job_id = submit(owner="ann")
    with pytest.raises(JobNotFound):
        do(store.set_priority, job_id, "bob", 1)
    mine = claim()
    do(store.set_priority, job_id, "ann", 2)
    do(store.release, mine)
    assert (row(job_id).state, row(job_id).priority) == ("queued", 2)
    do(store.request_cancel, job_id)
    with pytest.raises(JobEnded, match="cancelled"):
        do(store.set_priority, job_id, "ann", 1)
