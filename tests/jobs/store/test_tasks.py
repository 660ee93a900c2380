"""Tasks in the record: who gets which, whose word counts, and what becomes of those that are lost."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.spec.resources.dataset import NewDataset
from jobs import store
from jobs.database.dialect import FromNow
from jobs.database.engine import transaction
from jobs.errors import LostClaim
from jobs.settings import Settings
from jobs.store import lost_tasks, tasks
from jobs.store.resources.kinds import DATASET, find_resource
from jobs.store.resources.lists import forget
from jobs.store.resources.receiving import announce, begin, finish
from jobs.store.tasks import TaskClaim
from tests.fixtures.tasks import KIND, Parents, TaskRecord

Do = Callable[..., Any]


def test_a_claim_holds_all_that_a_worker_needs(task_record: TaskRecord, do: Do) -> None:
    task_id = do(tasks.add_task, KIND, "p1", "ann", {"shard": 3})
    claim = do(tasks.claim_task, "w1", 45.0, kinds=(KIND,), supervisor_pid=7)
    assert claim == TaskClaim(task_id, KIND, "p1", "ann", token=1, attempt=1, payload={"shard": 3})
    row = task_record.row(task_id)
    assert (row.state, row.worker_id, row.supervisor_pid, row.attempts) == ("running", "w1", 7, 0)
    assert row.lease_expires_at is not None and row.started_at is not None
    assert 44.9 < (row.lease_expires_at - row.started_at).total_seconds() < 45.1
    assert task_record.claim_if_any() is None


def test_only_kinds_that_the_worker_knows_are_claimed(task_record: TaskRecord, do: Do) -> None:
    task_record.add(kind="of_a_later_version")
    assert not do(tasks.a_task_waits, (KIND,))
    assert task_record.claim_if_any() is None
    mine = task_record.add()
    assert do(tasks.a_task_waits, (KIND,))
    assert task_record.claim().task_id == mine


def test_owners_take_turns_and_the_oldest_of_each_goes_first(task_record: TaskRecord) -> None:
    ann = [task_record.add(owner="ann") for _ in range(3)]
    bob = [task_record.add(owner="bob") for _ in range(2)]
    assert [task_record.claim().task_id for _ in range(5)] == [ann[0], bob[0], ann[1], bob[1], ann[2]]


def test_many_workers_at_once_claim_each_task_once(
    task_record: TaskRecord, factory: sessionmaker[Session]
) -> None:
    workers = 6
    added = {task_record.add(owner=f"owner-{number % 3}") for number in range(40)}
    together = threading.Barrier(workers)
    won: list[TaskClaim] = []

    def work(worker_id: str) -> None:
        together.wait(timeout=60)
        while (claim := task_record.claim_if_any(worker_id)) is not None:
            won.append(claim)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    while (claim := task_record.claim_if_any("last")) is not None:  # rows that were passed over when locked
        won.append(claim)
    taken = Counter(claim.task_id for claim in won)
    assert set(taken) == added
    assert set(taken.values()) == {1}
    assert {claim.token for claim in won} == {1}


def test_a_result_is_stored_with_the_parent_and_files_are_named_with_it(
    task_record: TaskRecord, parents: Parents, do: Do
) -> None:
    task_id = task_record.add()
    named: list[str] = []
    assert do(tasks.finish_task, task_record.claim(), {"state": "ready"}, lambda: named.append("pack"))
    assert parents.results == {"p1": {"state": "ready"}}
    assert named == ["pack"]
    row = task_record.row(task_id)
    assert (row.state, row.fraction, row.worker_id, row.lease_expires_at) == ("succeeded", 1.0, None, None)
    assert row.finished_at is not None


def test_nothing_is_named_for_a_parent_that_is_gone(
    task_record: TaskRecord, parents: Parents, do: Do
) -> None:
    task_record.add()
    parents.gone.add("p1")
    named: list[str] = []
    assert not do(tasks.finish_task, task_record.claim(), {"state": "ready"}, lambda: named.append("pack"))
    assert named == []


def test_what_is_no_result_changes_nothing(task_record: TaskRecord, parents: Parents, do: Do) -> None:
    task_id = task_record.add()
    named: list[str] = []
    claim = task_record.claim()
    with pytest.raises(ValueError, match="no state"):
        do(tasks.finish_task, claim, {}, lambda: named.append("pack"))
    assert named == []
    assert task_record.row(task_id).state == "running"


def late(claim: TaskClaim, settings: Settings) -> dict[str, Callable[[Session], object]]:
    """All that a worker may write of a task."""
    return {
        "order": lambda session: tasks.order_of_task(session, settings, claim),
        "renew": lambda session: tasks.renew_task(session, claim, 45.0, 0.5),
        "finish": lambda session: tasks.finish_task(session, claim, {"state": "ready"}, never_named),
        "fail": lambda session: tasks.fail_task(session, claim, "x"),
        "release": lambda session: tasks.release_task(session, claim),
    }


def never_named() -> None:
    raise AssertionError("a late worker has named its files")


WRITES = ("order", "renew", "finish", "fail", "release")


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("why", ["taken by another", "ended", "requeued", "deleted"])
def test_a_late_worker_writes_nothing(
    task_record: TaskRecord, parents: Parents, settings: Settings, do: Do, write: str, why: str
) -> None:
    task_id = task_record.add()
    parents.orders["p1"] = {}
    old = task_record.claim()
    if why == "deleted":
        assert do(tasks.cancel_tasks, "p1") == 1
    elif why == "ended":
        do(tasks.fail_task, old, "broken", final=True)
    else:
        do(tasks.release_task, old)
    if why == "taken by another":
        assert task_record.claim("w2").token == old.token + 1
    before = None if why == "deleted" else task_record.row(task_id).state
    told = dict(parents.failures)
    with pytest.raises(LostClaim), transaction(task_record.factory) as session:
        late(old, settings)[write](session)
    assert before == (None if why == "deleted" else task_record.row(task_id).state)
    assert (parents.results, parents.failures) == ({}, told)


def test_two_ends_of_one_claim_have_one_winner(task_record: TaskRecord, parents: Parents, do: Do) -> None:
    for number in range(10):
        task_record.add(f"p{number}")
        claim, together = task_record.claim(), threading.Barrier(2)
        ends: list[str] = []

        def end(what: str, claim: TaskClaim = claim, together: Any = together, ends: Any = ends) -> None:
            together.wait(timeout=60)
            try:
                if what == "finish":
                    do(tasks.finish_task, claim, {"state": "ready"})
                else:
                    do(tasks.release_task, claim)
            except LostClaim:
                return
            ends.append(what)

        threads = [threading.Thread(target=end, args=(what,)) for what in ("finish", "release")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
        assert len(ends) == 1
        assert (f"p{number}" in parents.results) == (ends == ["finish"])
        do(tasks.cancel_tasks, f"p{number}")


def test_the_third_attempt_that_fails_is_the_last_and_its_parent_is_told(
    task_record: TaskRecord, parents: Parents, do: Do
) -> None:
    task_id = task_record.add()
    states = []
    for number in (1, 2, 3):
        claim = task_record.claim()
        assert (claim.attempt, claim.token) == (number, number)
        states.append(do(tasks.fail_task, claim, f"broken {number}", reason="check_failed"))
    assert states == ["queued", "queued", "failed"]
    ((reason, words),) = parents.failures.values()
    assert reason == "check_failed"
    assert "3 times" in words and "broken 3" in words
    row = task_record.row(task_id)
    assert (row.state, row.attempts, row.reason, row.message) == ("failed", 3, "check_failed", words)
    assert task_record.claim_if_any() is None


def test_what_would_fail_again_is_not_tried_again(task_record: TaskRecord, parents: Parents, do: Do) -> None:
    task_record.add()
    assert (
        do(tasks.fail_task, task_record.claim(), "no\0room", reason="out_of_memory", final=True) == "failed"
    )
    assert parents.failures == {"p1": ("out_of_memory", "no\ufffdroom")}


def test_a_clean_shutdown_uses_no_attempt(task_record: TaskRecord, do: Do) -> None:
    task_id = task_record.add()
    for _ in range(5):
        do(tasks.release_task, task_record.claim())
    row = task_record.row(task_id)
    assert (row.state, row.attempts, row.token, row.worker_id) == ("queued", 0, 5, None)


def test_a_data_set_that_is_deleted_takes_its_check_along(
    task_record: TaskRecord, settings: Settings, do: Do
) -> None:
    new = NewDataset(name="own", size=1)
    row, _ = do(announce, settings, DATASET, "ann", new)
    do(finish, do(begin, settings, DATASET, "ann", "own"), "0" * 64)
    claim = task_record.claim()
    assert claim.parent_id == row.id
    assert do(forget, DATASET, "ann", "own") == f"datasets/{row.id}"
    assert task_record.ids() == []
    with pytest.raises(LostClaim):
        do(tasks.finish_task, claim, {"state": "rejected"}, never_named)


def test_the_real_handlers_tell_the_data_set(task_record: TaskRecord, settings: Settings, do: Do) -> None:
    """Without a fixture in between: a check that fails three times rejects what it was to check."""
    row, _ = do(announce, settings, DATASET, "ann", NewDataset(name="own", size=1))
    do(finish, do(begin, settings, DATASET, "ann", "own"), "0" * 64)
    claim = task_record.claim()
    order = do(tasks.order_of_task, settings, claim)
    assert (order["order"]["name"], order["content"]) == ("own", DATASET.key(row.id))
    with pytest.raises(ValueError, match="state"):
        do(tasks.finish_task, claim, {"found": None}, never_named)
    assert do(tasks.fail_task, claim, "broken", reason="check_failed", final=True) == "failed"
    found = do(find_resource, DATASET, "ann", "own")
    assert (found.state, found.reason, found.message) == ("rejected", "check_failed", "broken")


def test_the_tasks_of_a_deleted_parent_are_forgotten_in_any_state(task_record: TaskRecord, do: Do) -> None:
    other = task_record.add("p2", owner="bob")
    for _ in ("ended", "running", "queued"):
        task_record.add("p1")
    assert task_record.claim().task_id == other
    do(tasks.fail_task, task_record.claim(), "x", final=True)
    task_record.claim()
    assert do(tasks.cancel_tasks, "p1") == 3
    assert task_record.ids() == [other]


def test_tasks_are_no_jobs(task_record: TaskRecord, do: Do) -> None:
    task_record.add()
    task_record.claim()
    task_record.add()
    assert do(store.list_jobs, "ann") == ([], None)
    assert set(do(store.state_counts).values()) == {0}
    assert do(store.claimable_count) == 0
    assert do(tasks.task_counts) == {"running": 1, "queued": 1}
    assert do(store.claim, worker_id="w", lease_seconds=45) is None


def test_ended_tasks_are_forgotten_after_a_time_and_others_never(
    task_record: TaskRecord, parents: Parents, do: Do
) -> None:
    task_record.add()
    do(tasks.finish_task, task_record.claim(), {"state": "ready"})
    waiting = task_record.add("p2")
    assert do(lost_tasks.forget_ended_tasks, FromNow(-3600)) == 0
    assert do(lost_tasks.forget_ended_tasks, FromNow(1)) == 1
    assert task_record.ids() == [waiting]
