from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database import transaction
from jobs.store import Claim, SweepResult

Do = Callable[..., Any]


def test_live_leases_are_left_alone(submit: Any, do: Do, claim: Callable[..., Claim]) -> None:
    submit()
    mine = claim()
    assert do(store.sweep) == SweepResult()
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
    assert do(store.sweep) == SweepResult(requeued=(again,), failed=(last,), cancelled=(stopped,))
    assert do(store.sweep) == SweepResult()

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


def test_two_sweepers_at_once_lose_a_job_once(
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
        together.wait(timeout=20)
        for _ in range(4):
            with transaction(factory) as session:
                swept.extend(store.sweep(session, limit=5).requeued)

    threads = [threading.Thread(target=round_of_sweeping) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(swept) == sorted(jobs)
    for job_id in jobs:
        assert story(job_id) == ["submitted", "claimed", "lost"]


def test_one_sweeper_at_a_time_by_lease(do: Do) -> None:
    assert do(store.hold_lock, "sweep", "a", 30)
    assert do(store.hold_lock, "sweep", "a", 30)
    assert not do(store.hold_lock, "sweep", "b", 30)
    assert do(store.hold_lock, "other", "b", 30)
    do(store.release_lock, "sweep", "b")
    assert not do(store.hold_lock, "sweep", "b", 30)
    do(store.release_lock, "sweep", "a")
    assert do(store.hold_lock, "sweep", "b", -1)
    assert do(store.hold_lock, "sweep", "c", 30)


def test_a_new_worker_frees_its_dead_predecessors_jobs_at_once(
    submit: Any, do: Do, claim: Callable[..., Claim]
) -> None:
    facts = {"slots": 1, "version": "0"}
    for worker_id, host, pid in (
        ("killed", "here", 10),
        ("namesake", "here", 1),
        ("alive", "here", 20),
        ("elsewhere", "there", 10),
    ):
        do(store.worker_started, worker_id=worker_id, host=host, pid=pid, **facts)
        submit()
        claim(worker_id)
    do(store.worker_started, worker_id="new", host="here", pid=1, **facts)
    freed = do(store.free_worker_leases, worker_id="new", host="here", alive=lambda pid: pid == 20)
    assert len(freed.requeued) == 2
    assert {do(store.events_after, job_id)[-1].body["worker"] for job_id in freed.requeued} == {
        "killed",
        "namesake",
    }
    assert {worker.id for worker in do(store.workers)} == {"alive", "elsewhere", "new"}
    assert (
        do(store.free_worker_leases, worker_id="new", host="here", alive=lambda pid: pid == 20)
        == SweepResult()
    )


def test_workers_come_beat_and_go(do: Do) -> None:
    first = do(store.worker_started, worker_id="a", host="h", pid=1, slots=2, version="1")
    do(store.worker_started, worker_id="b", host="h", pid=2, slots=1, version="1")
    do(store.worker_beat, "a")
    beaten = do(store.workers)
    assert [worker.id for worker in beaten] == ["a", "b"]
    assert beaten[0].heartbeat_at >= first.heartbeat_at
    assert [worker.id for worker in do(store.workers, seen_within_seconds=60)] == ["a", "b"]
    assert do(store.workers, seen_within_seconds=-1) == []
    do(store.worker_stopped, "a")
    assert [worker.id for worker in do(store.workers)] == ["b"]
