from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database.dialect import FromNow
from jobs.database.engine import transaction
from jobs.devices import ONE_CPU, slots_on
from jobs.store import Claim, ReapResult
from jobs.tables import Worker

Do = Callable[..., Any]


def test_live_leases_are_left_alone(submit: Any, do: Do, claim: Callable[..., Claim]) -> None:
    submit()
    mine = claim()
    assert do(store.reap_expired) == ReapResult()
    do(store.complete, mine)


def test_expired_leases_are_requeued_failed_or_cancelled(
    submit: Any, do: Do, claim: Callable[..., Claim], expire: Callable[[str], None]
) -> None:
    again, last, stopped = submit(max_attempts=2), submit(max_attempts=1), submit(max_attempts=1)
    for _ in range(3):
        claim()
    do(store.request_cancel, stopped)
    for job_id in (again, last, stopped):
        expire(job_id)
    assert do(store.reap_expired) == ReapResult(requeued=(again,), failed=(last,), cancelled=(stopped,))
    assert do(store.reap_expired) == ReapResult()

    found = {job_id: do(store.find, job_id) for job_id in (again, last, stopped)}
    assert [job.state for job in found.values()] == ["queued", "failed", "cancelled"]
    assert [job.attempts_used for job in found.values()] == [1, 1, 0]
    assert [job.reason for job in found.values()] == [None, "worker_lost", "cancelled"]
    told = [do(store.events_after, job_id)[-1] for job_id in found]
    assert [(event.type, event.body["why"]) for event in told] == [
        ("lost", "lease_expired"),
        ("failed", "lease_expired"),
        ("cancelled", "lease_expired"),
    ]


def test_a_worker_that_has_slept_sweeps_nothing_and_keeps_its_own_claims(
    factory: sessionmaker[Session], submit: Any, do: Do, expire: Callable[[str], None]
) -> None:
    do(store.worker_started, worker_id="sleeper", host="here", pid=1, slots=slots_on(ONE_CPU, 3), version="0")
    jobs = {}
    for pid in (11, 12):
        submit()
        claimed = do(store.claim, worker_id="sleeper", lease_seconds=45, supervisor_pid=pid)
        jobs[pid] = claimed.job_id
    submit()
    elsewhere = do(store.claim, worker_id="another", lease_seconds=45, supervisor_pid=11).job_id
    for job_id in (*jobs.values(), elsewhere):
        expire(job_id)
    assert not do(store.has_slept, "sleeper", 45)
    with transaction(factory) as session:
        session.execute(update(Worker).values(heartbeat_at=FromNow(-46)))
    assert do(store.has_slept, "sleeper", 45) and not do(store.has_slept, "nobody", 45)
    assert do(store.reap_expired, unless=store.slept("sleeper", 45)) == ReapResult()
    kept = do(store.keep_claims, worker_id="sleeper", lease_seconds=45, is_alive=lambda pid: pid == 11)
    assert kept == 1
    do(store.worker_beat, "sleeper")
    swept = do(store.reap_expired, unless=store.slept("sleeper", 45))
    assert sorted(swept.requeued) == sorted([jobs[12], elsewhere])


def test_two_reapers_at_once_requeue_a_job_once(
    factory: sessionmaker[Session],
    submit: Any,
    do: Do,
    claim: Callable[..., Claim],
    expire: Callable[[str], None],
    story: Callable[[str], list[str]],
) -> None:
    jobs = [submit() for _ in range(12)]
    for job_id in jobs:
        claim()
        expire(job_id)
    together = threading.Barrier(2)
    swept: list[str] = []

    def round_of_sweeping() -> None:
        together.wait(timeout=60)
        for _ in range(4):
            with transaction(factory) as session:
                swept.extend(store.reap_expired(session, limit=5).requeued)

    threads = [threading.Thread(target=round_of_sweeping) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(swept) == sorted(jobs)
    for job_id in jobs:
        assert story(job_id) == ["submitted", "claimed", "lost"]


def test_one_worker_at_a_time_holds_the_lease_on_maintenance(do: Do) -> None:
    assert do(store.hold_lock, "sweep", "a", 30)
    assert do(store.hold_lock, "sweep", "a", 30)
    assert not do(store.hold_lock, "sweep", "b", 30)
    assert do(store.hold_lock, "other", "b", 30)
    do(store.release_lock, "sweep", "b")
    assert not do(store.hold_lock, "sweep", "b", 30)
    do(store.release_lock, "sweep", "a")
    assert do(store.hold_lock, "sweep", "b", -1)
    assert do(store.hold_lock, "sweep", "c", 30)


HERE, ELSEWHERE = "boot-1", "boot-1, another container"
DEAD, MAIN, OTHER_MAIN, POOL = 10, 20, 30, 21


@pytest.fixture
def worker(do: Do) -> Callable[..., None]:
    def start(worker_id: str, pid: int, pid_space: str | None = HERE) -> None:
        facts = {"host": "same name", "slots": slots_on(ONE_CPU, 2), "version": "0"}
        do(store.worker_started, worker_id=worker_id, pid=pid, pid_space=pid_space, **facts)

    return start


def test_a_job_whose_supervisor_died_is_freed_at_once(
    submit: Any, do: Do, worker: Callable[..., None], story: Callable[[str], list[str]]
) -> None:
    worker("lives", MAIN)
    worker("killed", DEAD)
    claimed = {}
    for name, worker_id, supervisor_pid in (
        ("supervised", "lives", POOL),
        ("its pool process died", "lives", DEAD),
        ("outlives its main process", "killed", POOL),
        ("died with its main process", "killed", DEAD),
        ("of an older version, alive", "lives", None),
        ("of an older version, dead", "killed", None),
    ):
        submit()
        claim = do(store.claim, worker_id=worker_id, lease_seconds=60, supervisor_pid=supervisor_pid)
        claimed[claim.job_id] = name
    freed = do(store.free_orphans, pid_space=HERE, is_alive=lambda pid: pid in (MAIN, POOL))
    assert {claimed[job_id] for job_id in freed.requeued} == {
        "its pool process died",
        "died with its main process",
        "of an older version, dead",
    }
    told = do(store.events_after, freed.requeued[0])[-1]
    assert (told.type, told.body["why"]) == ("lost", "supervisor_died")
    assert do(store.find, freed.requeued[0]).supervisor_pid is None
    again = do(store.free_orphans, pid_space=HERE, is_alive=lambda pid: pid in (MAIN, POOL))
    assert again == ReapResult()


@pytest.mark.parametrize("pid_space", [ELSEWHERE, None])
def test_process_ids_of_another_container_say_nothing(
    submit: Any, do: Do, worker: Callable[..., None], pid_space: str | None
) -> None:
    worker("namesake", 1, pid_space)
    submit()
    claim = do(store.claim, worker_id="namesake", lease_seconds=60, supervisor_pid=7)
    worker("new", 1)
    assert do(store.free_orphans, pid_space=HERE, is_alive=lambda pid: pid == 1) == ReapResult()
    assert do(store.stop_dead_workers, pid_space=HERE, is_running=lambda name, pid: name == "new") == []
    do(store.renew, claim, 60)


def test_dead_workers_are_noted_also_when_their_process_id_is_used_again(
    do: Do, worker: Callable[..., None]
) -> None:
    worker("gone", DEAD)
    worker("replaced", MAIN)
    worker("new", MAIN)
    alive = {("new", MAIN)}
    stopped = do(store.stop_dead_workers, pid_space=HERE, is_running=lambda *who: who in alive)
    assert sorted(stopped) == ["gone", "replaced"]
    assert [row.id for row in do(store.workers)] == ["new"]


def test_a_dead_workers_lock_is_anybodys(do: Do, worker: Callable[..., None]) -> None:
    worker("gone", DEAD)
    assert do(store.hold_lock, "sweep", "gone", 60)
    assert not do(store.hold_lock, "sweep", "new", 60)
    do(store.stop_dead_workers, pid_space=HERE, is_running=lambda *who: False)
    assert do(store.hold_lock, "sweep", "new", 60)


def test_a_process_that_asks_for_work_runs_nothing_whatever_the_record_says(
    submit: Any, do: Do, story: Callable[[str], list[str]]
) -> None:
    submit()
    by_another_process = do(store.claim, worker_id="w", lease_seconds=60, supervisor_pid=POOL + 1)
    unanswered = submit()
    do(store.claim, worker_id="w", lease_seconds=60, supervisor_pid=POOL)
    freed = do(store.free_unheld, worker_id="w", supervisor_pid=POOL)
    assert freed == ReapResult(requeued=(unanswered,))
    assert story(unanswered) == ["submitted", "claimed", "lost"]
    assert do(store.events_after, unanswered)[-1].body["why"] == "not_held"
    do(store.renew, by_another_process, 60)


def test_workers_come_beat_and_go(do: Do) -> None:
    first = do(store.worker_started, worker_id="a", host="h", pid=1, slots=slots_on(ONE_CPU, 2), version="1")
    do(store.worker_started, worker_id="b", host="h", pid=2, slots=slots_on(ONE_CPU, 1), version="1")
    do(store.worker_beat, "a")
    beaten = do(store.workers)
    assert [worker.id for worker in beaten] == ["a", "b"]
    assert beaten[0].heartbeat_at >= first.heartbeat_at
    assert [worker.id for worker in do(store.workers, seen_within_seconds=60)] == ["a", "b"]
    assert do(store.workers, seen_within_seconds=-1) == []
    do(store.worker_stopped, "a")
    assert [worker.id for worker in do(store.workers)] == ["b"]
