"""Rounds of maintenance, against a real database; notifications are counted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, text, update
from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database.dialect import FromNow
from jobs.database.engine import session_factory, transaction
from jobs.devices import ONE_CPU, slots_on
from jobs.settings import Settings
from jobs.state import JobState
from jobs.tables import Worker as WorkerRow
from tests.fixtures.tasks import TaskRecord
from worker.host.identity import Identity, identity_of, pid_space
from worker.host.maintenance import Maintenance
from worker.host.shutdown import ShutdownFlag

Fixture = Any  # fixtures of conftest.py
SLOTS = 2


@pytest.fixture
def maintenance(quick: Settings, factory: sessionmaker[Session]) -> Iterator[Callable[..., Maintenance]]:
    started: list[Maintenance] = []

    def start(
        notified: list[int],
        *,
        identity: Identity | None = None,
        shutdown: ShutdownFlag | None = None,
        make_factory: Callable[[], sessionmaker[Session]] = lambda: factory,
    ) -> Maintenance:
        def notify() -> bool:
            notified.append(1)
            return True

        one = Maintenance(
            quick.model_copy(update={"slots": SLOTS}),
            identity or identity_of(os.getpid()),
            shutdown or ShutdownFlag(),
            factory=make_factory,
            notify=notify,
            version="0",
        )
        one.start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.stop()


def test_a_job_with_an_expired_lease_is_queued_again_and_workers_are_notified(
    record: Fixture, maintenance: Fixture, until: Fixture
) -> None:
    job_id = record.submit()
    record.claim(lease_seconds=0.2)
    notified: list[int] = []
    maintenance(notified)
    until(lambda: record.job(job_id).state == JobState.QUEUED)
    assert record.job(job_id).attempts_used == 1
    until(lambda: bool(notified))


def test_a_round_that_comes_late_by_a_lease_sweeps_nothing_for_another(
    record: Fixture, maintenance: Fixture, until: Fixture, factory: sessionmaker[Session], quick: Settings
) -> None:
    one = maintenance([])
    until(lambda: bool(record.living_workers()))
    job_id = record.submit()
    with transaction(factory) as session:  # what the rounds find after a sleep
        record_claim = store.claim(session, worker_id="elsewhere", lease_seconds=0)
        session.execute(update(WorkerRow).values(heartbeat_at=FromNow(-2 * quick.lease_seconds)))
    assert record_claim is not None
    one._done.wait(quick.lease_seconds / 2)
    assert record.job(job_id).state == JobState.RUNNING
    until(lambda: record.job(job_id).state == JobState.QUEUED)


def test_workers_are_notified_for_idle_slots_and_claimable_jobs_only(
    record: Fixture, maintenance: Fixture, until: Fixture
) -> None:
    for _ in range(SLOTS):
        record.submit()
    for _ in range(SLOTS):
        record.claim(lease_seconds=60)
    record.submit()
    notified: list[int] = []
    one = maintenance(notified)
    until(lambda: bool(record.living_workers()))
    one._done.wait(1.0)  # three rounds: every slot is taken, so nobody is notified of the waiting job
    assert notified == []


def test_workers_are_notified_no_more_often_than_there_are_jobs(
    record: Fixture, maintenance: Fixture, until: Fixture
) -> None:
    record.submit()
    notified: list[int] = []
    one = maintenance(notified)
    until(lambda: bool(notified))
    one.stop()
    rounds_at_most = 2
    assert len(notified) <= rounds_at_most


def test_nobody_is_notified_once_a_shutdown_has_begun(
    record: Fixture, maintenance: Fixture, until: Fixture
) -> None:
    job_id = record.submit()
    record.claim(lease_seconds=0.2)
    shutdown, notified = ShutdownFlag(), list[int]()
    shutdown.set()
    maintenance(notified, shutdown=shutdown)
    until(lambda: record.job(job_id).state == JobState.QUEUED)
    assert notified == []


def test_one_worker_at_a_time_does_the_round_and_the_other_takes_over(
    record: Fixture, maintenance: Fixture, until: Fixture, factory: sessionmaker[Session]
) -> None:
    with transaction(factory) as session:
        assert store.hold_lock(session, "sweeper", "somebody else", 60.0)
    job_id = record.submit()
    record.claim(lease_seconds=0.1)
    notified: list[int] = []
    one = maintenance(notified)
    until(lambda: bool(record.living_workers()))
    one._done.wait(0.4)
    assert record.job(job_id).state == JobState.RUNNING
    with transaction(factory) as session:
        store.release_lock(session, "sweeper", "somebody else")
    until(lambda: record.job(job_id).state == JobState.QUEUED)


def test_jobs_of_dead_processes_are_freed_at_once_but_not_a_living_neighbours(
    record: Fixture, maintenance: Fixture, until: Fixture, factory: sessionmaker[Session]
) -> None:
    me, parent = identity_of(os.getpid()), identity_of(os.getppid())
    dead = Identity(host=me.host, pid=2**22 + 1, started="1")
    reused = Identity(host=me.host, pid=parent.pid, started="1")
    stranger = Identity(host=me.host, pid=2**22 + 1, started="2")
    spaces = {dead: pid_space(), parent: pid_space(), reused: pid_space(), stranger: "another container"}
    jobs = {}
    for who, space in spaces.items():
        with transaction(factory) as session:
            store.worker_started(
                session,
                worker_id=who.worker_id,
                host=who.host,
                pid=who.pid,
                pid_space=space,
                slots=slots_on(ONE_CPU, 1),
                version="0",
            )
        jobs[who] = record.submit()
        record.claim(who.worker_id, lease_seconds=600)
    maintenance([])
    until(lambda: record.job(jobs[dead]).state == JobState.QUEUED)
    assert record.events(jobs[dead])[-1].body["why"] == "supervisor_died"
    assert [record.job(jobs[who]).state for who in (parent, stranger)] == [JobState.RUNNING] * 2
    living = {me.worker_id, parent.worker_id, stranger.worker_id}
    until(lambda: set(record.living_workers()) == living)


def test_a_database_that_is_away_is_waited_for(
    record: Fixture, maintenance: Fixture, until: Fixture, factory: sessionmaker[Session]
) -> None:
    away = session_factory(create_engine("sqlite:////nonexistent/directory/x.sqlite3"))
    with pytest.raises(Exception, match="unable to open"), away() as session:
        session.execute(text("SELECT 1"))
    answers = [away, away]
    notified: list[int] = []
    maintenance(notified, make_factory=lambda: answers.pop() if answers else factory)
    record.submit()
    until(lambda: bool(notified))
    assert answers == []


def test_a_worker_that_ends_is_no_longer_among_the_living(
    record: Fixture, maintenance: Fixture, until: Fixture
) -> None:
    one = maintenance([])
    until(lambda: bool(record.living_workers()))
    one.stop()
    assert record.living_workers() == []


def test_a_task_with_an_expired_lease_is_queued_again_and_the_slot_for_tasks_is_kept(
    task_record: TaskRecord, quick: Settings, factory: sessionmaker[Session], until: Fixture
) -> None:
    task_id = task_record.add()
    task_record.claim("of-another-host", lease_seconds=1e-6)
    kept: list[int] = []
    one = Maintenance(
        quick,
        identity_of(os.getpid()),
        ShutdownFlag(),
        factory=lambda: factory,
        notify=lambda: True,
        version="0",
        keep_companions=lambda: kept.append(1),
    )
    one.start()
    until(lambda: task_record.row(task_id).state == "queued" and len(kept) > 1)
    one.stop()
    assert task_record.row(task_id).attempts == 1
