from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.spec import JobSpec, digest
from jobs import store
from jobs.database.engine import transaction
from jobs.errors import IdempotencyConflict, IdempotencyInFlight, JobNotFound, NotAllowed, TooManyJobs
from jobs.quotas import Limits
from jobs.state import JobState, Move
from jobs.store import Claim
from jobs.tables import Job, JobEvent
from tests.factories import add_job, new_job

Do = Callable[..., Any]
REFUSE = {
    "sqlite": (
        "CREATE TRIGGER refuse AFTER INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no room here'); END",
        "DROP TRIGGER refuse",
    ),
    "postgresql": (
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no room here'; END$$;
        CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON {table}
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()""",
        "DROP FUNCTION refuse CASCADE",
    ),
}
"""How to refuse rows (on PostgreSQL it is the COMMIT that fails), and how to take them again."""


def test_a_job_is_written_with_its_first_event(
    submit: Any, row: Callable[[str], Job], story: Callable[[str], list[str]], spec: JobSpec
) -> None:
    job = row(submit(owner="ann", priority=3, max_attempts=5, estimate={"seconds": 4.0}))
    assert (job.state, job.owner_id, job.priority, job.max_attempts) == ("queued", "ann", 3, 5)
    assert (job.token, job.attempts_used, job.worker_id, job.estimate) == (0, 0, None, {"seconds": 4.0})
    assert JobSpec.model_validate(job.spec) == spec
    assert (job.spec_digest, job.dataset, job.method) == (digest(spec), "digits", "cartl")
    assert job.request["dataset"]["name"] == "digits" and "seed" not in job.request
    assert job.created_at.utcoffset().total_seconds() == 0  # type: ignore[union-attr]
    assert story(job.id) == ["submitted"]


def test_nothing_is_written_when_the_transaction_fails(factory: sessionmaker[Session], submit: Any) -> None:
    kept = submit()
    with pytest.raises(ZeroDivisionError), transaction(factory) as session:
        store.request_cancel(session, kept)
        raise ZeroDivisionError
    with transaction(factory) as session:
        assert store.find(session, kept).state == "queued"
        assert store.find(session, kept).event_count == 1


def test_a_job_and_its_event_are_two_statements(
    factory: sessionmaker[Session], story: Callable[[str], list[str]]
) -> None:
    said: list[str] = []
    engine = factory.kw["bind"]

    def note(*arguments: Any) -> None:
        said.append(arguments[2])

    event.listen(engine, "before_cursor_execute", note)
    try:
        with transaction(factory) as session:
            first, place = store.enqueue(session, **new_job())
            assert place == 1
    finally:
        event.remove(engine, "before_cursor_execute", note)
    begun = {"postgresql": [], "sqlite": ["BEGIN"]}[engine.dialect.name]
    assert [statement.split()[0] for statement in said] == [*begun, "INSERT", "INSERT"]
    assert story(first.id) == ["submitted"]
    with transaction(factory) as session:
        second, place = store.enqueue(session, **new_job())
        assert place == 2
    with transaction(factory) as session:
        stored = store.find(session, second.id)
        for column in Job.__table__.columns:
            assert getattr(stored, column.name) == getattr(second, column.name), column.name


@pytest.fixture(params=["jobs", "job_events"])
def refusing(request: pytest.FixtureRequest, factory: sessionmaker[Session]) -> Iterator[None]:
    """A database that takes no row of one table."""
    engine = factory.kw["bind"]
    make, remove = (line.format(table=request.param) for line in REFUSE[engine.dialect.name])
    with engine.begin() as connection:
        connection.exec_driver_sql(make)
    yield
    with engine.begin() as connection:
        connection.exec_driver_sql(remove)


@pytest.mark.usefixtures("refusing")
def test_neither_is_there_when_one_cannot_be_written(factory: sessionmaker[Session]) -> None:
    with pytest.raises(DBAPIError, match="no room here"), transaction(factory) as session:
        store.enqueue(session, **new_job())
    with transaction(factory) as session:
        assert session.query(Job).count() == session.query(JobEvent).count() == 0


def test_somebody_elses_job_does_not_exist(submit: Any, do: Do) -> None:
    job_id = submit(owner="ann")
    assert do(store.find, job_id, "ann").id == job_id
    assert do(store.find, job_id).id == job_id
    for act in (store.find, store.request_cancel, store.retry):
        with pytest.raises(JobNotFound):
            do(act, job_id, "bob")
    with pytest.raises(JobNotFound):
        do(store.find, "0" * 32)


def test_an_owner_may_queue_jobs_up_to_the_limit(submit: Any, claim: Callable[..., Claim], do: Do) -> None:
    submit()
    assert do(store.remaining_quota, "ann", Limits(queued=2)) == 1
    submit()
    with pytest.raises(TooManyJobs):
        do(store.remaining_quota, "ann", Limits(queued=2))
    assert do(store.remaining_quota, "bob", Limits(queued=2)) == 2
    claim()
    assert do(store.remaining_quota, "ann", Limits(queued=2)) == 1


def test_the_quota_is_exact_whatever_comes_at_once(factory: sessionmaker[Session]) -> None:
    together = threading.Barrier(8)
    refused: list[int] = []

    def post(number: int) -> None:
        owner = "ann" if number else "bob"
        together.wait(timeout=60)
        try:
            with transaction(factory) as session:
                store.remaining_quota(session, owner, Limits(queued=3))
                add_job(session, owner)
        except TooManyJobs as error:
            refused.append(error.values["queued"])  # type: ignore[arg-type]

    threads = [threading.Thread(target=post, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert refused == [3] * 4
    with transaction(factory) as session:
        assert store.state_counts(session)[JobState.QUEUED] == 4


def test_a_queued_job_is_cancelled_at_once(submit: Any, do: Do, story: Callable[[str], list[str]]) -> None:
    job_id = submit()
    cancelled = do(store.request_cancel, job_id, "ann")
    assert (cancelled.state, cancelled.reason) == ("cancelled", "cancelled")
    assert cancelled.finished_at is not None
    assert do(store.request_cancel, job_id).state == "cancelled"
    assert do(store.claim, worker_id="w", lease_seconds=45) is None
    assert story(job_id) == ["submitted", "cancelled"]


def test_a_running_job_is_asked_to_stop_once(
    submit: Any, do: Do, claim: Callable[..., Claim], story: Callable[[str], list[str]]
) -> None:
    job_id = submit()
    mine = claim()
    assert not do(store.renew, mine, 45).cancel_requested
    first = do(store.request_cancel, job_id)
    again = do(store.request_cancel, job_id)
    assert first.state == again.state == "running"
    assert first.cancel_requested_at == again.cancel_requested_at is not None
    assert do(store.renew, mine, 45).cancel_requested
    do(store.acknowledge_cancel, mine)
    ended = do(store.find, job_id)
    assert (ended.state, ended.worker_id, ended.lease_expires_at) == ("cancelled", None, None)
    assert story(job_id) == ["submitted", "claimed", "cancel_requested", "cancelled"]


def test_what_has_ended_is_not_cancelled(submit: Any, do: Do, claim: Callable[..., Claim]) -> None:
    for end, arguments in ((store.complete, ()), (store.fail, ("data_overlap", "images are shared"))):
        job_id = submit()
        do(end, claim(), *arguments)
        with pytest.raises(NotAllowed) as refused:
            do(store.request_cancel, job_id)
        assert refused.value.allowed == (JobState.QUEUED, JobState.RUNNING)


def test_retry_starts_over_and_keeps_the_story(
    submit: Any, do: Do, claim: Callable[..., Claim], story: Callable[[str], list[str]]
) -> None:
    job_id = submit()
    do(store.requeue_after_crash, claim())
    do(store.fail, claim(), "loss_not_finite", "epoch 3")
    failed = do(store.find, job_id)
    assert (failed.state, failed.reason, failed.message) == ("failed", "loss_not_finite", "epoch 3")
    assert (failed.attempts_used, failed.token) == (1, 2)

    queued = do(store.retry, job_id, "ann")
    assert (queued.state, queued.attempts_used, queued.reason, queued.message) == ("queued", 0, None, None)
    assert (queued.token, queued.finished_at, queued.started_at) == (2, None, None)
    again = claim()
    assert (again.token, again.attempt) == (3, 1)
    assert story(job_id) == ["submitted", "claimed", "lost", "claimed", "failed", "retried", "claimed"]


def test_retry_is_refused_for_what_runs_waits_or_succeeded(
    submit: Any, do: Do, claim: Callable[..., Claim]
) -> None:
    job_id = submit()
    for state, step in (("queued", None), ("running", claim), ("succeeded", None)):
        if state == "running":
            mine = step() if step else None
        if state == "succeeded":
            do(store.complete, mine)
        with pytest.raises(NotAllowed) as refused:
            do(store.retry, job_id)
        assert (refused.value.state, refused.value.move) == (state, Move.RETRY)


def test_a_cancelled_job_can_be_retried(submit: Any, do: Do, claim: Callable[..., Claim]) -> None:
    job_id = submit()
    do(store.request_cancel, job_id)
    do(store.retry, job_id)
    assert claim().job_id == job_id


def _post(factory: sessionmaker[Session], key: str, body: str, owner: str = "ann") -> str:
    with transaction(factory) as session:
        before = store.replayed(session, owner=owner, key=key, body_digest=body)
        if before is not None:
            return before.id
        job = add_job(session, owner)
        store.remember(session, owner=owner, key=key, body_digest=body, job=job)
        return job.id


def test_an_idempotency_key_gives_the_same_job_again(factory: sessionmaker[Session]) -> None:
    first = _post(factory, "k", "body-1")
    assert _post(factory, "k", "body-1") == first
    assert _post(factory, "k", "body-1", owner="bob") != first
    assert _post(factory, "other", "body-1") != first
    with pytest.raises(IdempotencyConflict):
        _post(factory, "k", "body-2")


def test_the_same_request_at_the_same_time_makes_one_job(factory: sessionmaker[Session]) -> None:
    together = threading.Barrier(6)
    made: list[str] = []

    def post() -> None:
        together.wait(timeout=60)
        while True:
            try:
                made.append(_post(factory, "k", "body"))
            except IdempotencyInFlight:
                time.sleep(0.01)
            else:
                return

    threads = [threading.Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(made) == 6 and len(set(made)) == 1
    with transaction(factory) as session:
        assert sum(store.state_counts(session).values()) == 1
