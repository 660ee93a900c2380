"""Leases of tasks: which are kept, and what becomes of those whose holder is gone or asleep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobs import store
from jobs.devices import ONE_CPU, slots_on
from jobs.store import lost_tasks, tasks
from jobs.store.lost_tasks import TasksTaken
from tests.fixtures.tasks import KIND, Parents, TaskRecord

Do = Callable[..., Any]


def test_an_expired_lease_costs_an_attempt_and_the_third_one_the_task(
    task_record: TaskRecord, parents: Parents, do: Do
) -> None:
    task_id, other = task_record.add(), task_record.add("p2", "bob")
    task_record.claim()
    assert do(lost_tasks.reap_tasks) == TasksTaken()
    for number in (1, 2, 3):
        task_record.expire(task_id)
        expected = {"requeued": (task_id,)} if number < 3 else {"failed": (task_id,)}
        assert do(lost_tasks.reap_tasks) == TasksTaken(**expected)
        while number < 3 and task_record.claim().task_id != task_id:
            pass
    assert parents.failures["p1"][0] == "worker_lost"
    assert task_record.row(task_id).attempts == 3
    assert task_record.row(other).attempts == 0


def test_a_renewed_lease_is_not_reaped_and_keeps_how_far_the_task_is(task_record: TaskRecord, do: Do) -> None:
    task_id = task_record.add()
    claim = task_record.claim(lease_seconds=1e-6)
    do(tasks.renew_task, claim, 45.0, 0.25)
    do(tasks.renew_task, claim, 45.0)
    assert do(lost_tasks.reap_tasks) == TasksTaken()
    assert task_record.row(task_id).fraction == 0.25
    do(tasks.release_task, claim)
    assert task_record.row(task_id).fraction == 0.0


def test_the_tasks_of_a_dead_process_are_taken_before_their_lease_ends(
    task_record: TaskRecord, do: Do
) -> None:
    task_id, kept = task_record.add(), task_record.add("p2")
    for name, pid in (("dead", 11), ("alive", 12)):
        do(
            store.worker_started,
            worker_id=name,
            host="h",
            pid=pid,
            slots=slots_on(ONE_CPU, 1),
            version="0",
            pid_space="here",
        )
        do(tasks.claim_task, name, 45.0, kinds=(KIND,), supervisor_pid=pid)
    taken = do(lost_tasks.free_orphan_tasks, pid_space="elsewhere", is_alive=lambda pid: False)
    assert taken == TasksTaken()
    taken = do(lost_tasks.free_orphan_tasks, pid_space="here", is_alive=lambda pid: pid == 12)
    assert taken == TasksTaken(requeued=(task_id,))
    assert (task_record.row(task_id).attempts, task_record.row(kept).state) == (1, "running")


def test_a_worker_that_has_slept_keeps_its_own_tasks(task_record: TaskRecord, do: Do) -> None:
    mine, other = task_record.add(), task_record.add("p2", "bob")
    for worker_id in ("w1", "w2"):
        task_record.claim(worker_id)
    for task_id in (mine, other):
        task_record.expire(task_id)
    do(lost_tasks.keep_task_claims, worker_id="w1", lease_seconds=45.0)
    assert do(lost_tasks.reap_tasks).requeued == (other,)


def test_what_a_process_does_not_know_that_it_holds_is_taken_from_it(task_record: TaskRecord, do: Do) -> None:
    task_id = task_record.add()
    do(tasks.claim_task, "w1", 45.0, kinds=(KIND,), supervisor_pid=7)
    assert do(lost_tasks.free_unheld_tasks, worker_id="w1", supervisor_pid=8) == TasksTaken()
    assert do(lost_tasks.free_unheld_tasks, worker_id="w1", supervisor_pid=7).requeued == (task_id,)
