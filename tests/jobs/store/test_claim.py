from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, text, update
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.events import RuntimeResolved
from cartl_core.spec import JobSpec, Runtime
from jobs import store
from jobs.database.dialect import FromNow
from jobs.database.engine import transaction
from jobs.state import JobState
from jobs.store import Claim
from jobs.tables import Job
from tests.factories import claim_if_any

Do = Callable[..., Any]


def test_a_claim_holds_all_that_a_run_needs(
    submit: Any, claim: Callable[..., Claim], row: Callable[[str], Job], spec: JobSpec
) -> None:
    job_id = submit(owner="ann")
    mine = claim("worker-7")
    assert (mine.job_id, mine.owner, mine.token, mine.attempt) == (job_id, "ann", 1, 1)
    assert (mine.spec, mine.runtime, mine.worker_id) == (spec, None, "worker-7")
    job = row(job_id)
    assert (job.state, job.worker_id, job.token) == ("running", "worker-7", 1)
    assert job.lease_expires_at is not None and job.heartbeat_at is not None
    assert 44.9 < (job.lease_expires_at - job.heartbeat_at).total_seconds() < 45.1
    assert job.started_at is not None and job.started_at >= job.created_at


def test_nothing_is_claimed_twice(submit: Any, claim: Callable[..., Claim], do: Do) -> None:
    submit()
    claim()
    assert do(store.claim, worker_id="w", lease_seconds=45) is None


def test_the_runtime_of_the_first_claim_comes_back(
    submit: Any, claim: Callable[..., Claim], do: Do, runtime: Runtime
) -> None:
    submit()
    first = claim()
    do(store.record, first, RuntimeResolved(runtime=runtime))
    other = runtime.model_copy(update={"threads": 64})
    do(store.record, first, RuntimeResolved(runtime=other))
    do(store.release, first)
    assert claim().runtime == runtime


def test_the_oldest_goes_first(submit: Any, claim: Callable[..., Claim]) -> None:
    submitted = [submit() for _ in range(4)]
    assert [claim().job_id for _ in range(4)] == submitted


def test_a_priority_goes_before_age_within_an_owners_turn(submit: Any, claim: Callable[..., Claim]) -> None:
    low = submit(priority=-1)
    plain = submit()
    bobs = submit(owner="bob")
    urgent = [submit(priority=5), submit(priority=5)]
    assert [claim().job_id for _ in range(5)] == [bobs, urgent[0], urgent[1], plain, low]


def test_owners_take_turns(submit: Any, claim: Callable[..., Claim]) -> None:
    for _ in range(4):
        submit(owner="ann")
    for _ in range(2):
        submit(owner="bob")
    submit(owner="cyd")
    claimed = [claim().owner for _ in range(7)]
    assert claimed == ["ann", "bob", "cyd", "ann", "bob", "ann", "ann"]


def test_an_owner_who_has_run_before_is_not_held_back(
    submit: Any, claim: Callable[..., Claim], do: Do
) -> None:
    submit(owner="ann")
    do(store.complete, claim())
    first, second = submit(owner="ann"), submit(owner="bob")
    assert [claim().job_id, claim().job_id] == [first, second]


def test_not_before_is_respected(
    submit: Any, do: Do, factory: sessionmaker[Session], claim: Callable[..., Claim]
) -> None:
    early, later = submit(), submit()
    with transaction(factory) as session:
        session.execute(update(Job).where(Job.id == early).values(not_before=FromNow(60)))
        session.execute(update(Job).where(Job.id == later).values(not_before=FromNow(-1)))
    assert do(store.claimable_count) == 1
    assert claim().job_id == later
    assert do(store.claim, worker_id="w", lease_seconds=45) is None


def test_many_workers_at_once_claim_each_job_once(factory: sessionmaker[Session], submit: Any) -> None:
    workers, jobs = 6, 40
    submitted = {submit(owner=f"owner-{number % 3}") for number in range(jobs)}
    together = threading.Barrier(workers)
    won: list[Claim] = []

    def work(worker_id: str) -> None:
        together.wait(timeout=60)
        while True:
            claimed = claim_if_any(factory, worker_id)
            if claimed is None:
                return
            won.append(claimed)

    threads = [threading.Thread(target=work, args=(f"worker-{number}",)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    leftover = []
    while True:  # PostgreSQL passes over rows that another claim held at that moment
        claimed = claim_if_any(factory, "last")
        if claimed is None:
            break
        leftover.append(claimed)
    taken = Counter(claimed.job_id for claimed in [*won, *leftover])
    assert set(taken) == submitted and set(taken.values()) == {1}
    assert {claimed.token for claimed in won} == {1}
    assert len(leftover) < workers


def test_two_claims_of_one_job_have_one_winner(factory: sessionmaker[Session], submit: Any) -> None:
    for _ in range(15):
        job_id = submit()
        together = threading.Barrier(2)
        won: list[str] = []

        def race(worker_id: str, together: threading.Barrier = together, won: list[str] = won) -> None:
            together.wait(timeout=60)
            if claim_if_any(factory, worker_id) is not None:
                won.append(worker_id)

        threads = [threading.Thread(target=race, args=(f"worker-{number}",)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert len(won) == 1
        with transaction(factory) as session:
            job = store.find(session, job_id)
            assert (job.worker_id, job.token, job.event_count) == (won[0], 1, 2)


def test_a_claim_does_not_wait_for_one_that_is_not_committed(
    factory: sessionmaker[Session], engine: Engine, submit: Any
) -> None:
    """PostgreSQL passes over the locked row; SQLite's second writer would wait, and then see the first."""
    first, second = submit(), submit()
    with transaction(factory) as slow:
        taken = store.claim(slow, worker_id="slow", lease_seconds=45)
        assert taken is not None and taken.job_id == first
        if engine.dialect.name == "postgresql":
            with transaction(factory) as quick:
                quick.execute(text("SET LOCAL lock_timeout = '2s'"))
                other = store.claim(quick, worker_id="quick", lease_seconds=45)
                assert other is not None and other.job_id == second
    with transaction(factory) as session:
        running = store.state_counts(session)[JobState.RUNNING]
    assert running == (2 if engine.dialect.name == "postgresql" else 1)
