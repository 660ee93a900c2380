"""Parts of an attack as tasks: the job waits for them without a slot, and goes on with what succeeded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database.engine import transaction
from jobs.errors import LostClaim
from jobs.state import JobState
from jobs.store import Claim, shards, tasks
from jobs.store.shards import SHARD, ShardOrder, ask_for_shards
from jobs.store.tasks import TaskClaim
from tests.factories import claim_job, submit_job

Do = Callable[..., Any]
DIGEST = "a" * 64
PARTS = ((0, 15), (15, 30), (30, 40))


@pytest.fixture
def waiting(factory: sessionmaker[Session], do: Do) -> Claim:
    """A job that has asked for its parts and waits; its first claim."""
    submit_job(factory, "ada")
    claim = claim_job(factory, "w1")
    assert do(ask_for_shards, claim, DIGEST, PARTS) is None
    do(store.release, claim, waiting_for=DIGEST)
    return claim


def take(do: Do) -> TaskClaim:
    claimed = do(tasks.claim_task, "w2", 45.0, kinds=(SHARD,), supervisor_pid=7)
    assert isinstance(claimed, TaskClaim)
    return claimed


def claim_again(do: Do) -> Claim | None:
    found: Claim | None = do(store.claim, worker_id="w1", lease_seconds=45)
    return found


def test_a_job_is_claimable_once_none_of_its_parts_waits_or_runs(waiting: Claim, do: Do) -> None:
    assert do(store.find, waiting.job_id).state == JobState.QUEUED
    done = {}
    for number, _ in enumerate(PARTS):
        assert claim_again(do) is None and do(store.claimable_count) == 0
        assert do(shards.shard_counts) == (len(PARTS) - number, 0)
        claimed = take(do)
        assert claim_again(do) is None
        do(tasks.finish_task, claimed, {})
        done[ShardOrder.of(claimed.payload)] = f"{DIGEST}/{claimed.task_id}-{claimed.token}"
    again = claim_again(do)
    assert again is not None and again.token == 2
    assert do(ask_for_shards, again, DIGEST, PARTS) == tuple(
        done[ShardOrder(DIGEST, *part)] for part in PARTS
    )
    assert do(store.find, waiting.job_id).attempts_used == 0


def test_a_lost_part_runs_again_under_another_token(waiting: Claim, do: Do) -> None:
    first = take(do)
    do(tasks.fail_task, first, "the process was killed by SIGKILL")
    with pytest.raises(LostClaim):
        do(tasks.finish_task, first, {})
    claimed = {found.task_id: found.token for found in (take(do) for _ in PARTS)}
    assert claimed[first.task_id] == first.token + 1


def test_what_follows_a_part_that_failed_is_left_to_the_job(waiting: Claim, do: Do) -> None:
    for _ in PARTS:
        claimed = take(do)
        if ShardOrder.of(claimed.payload) == ShardOrder(DIGEST, *PARTS[1]):
            do(tasks.fail_task, claimed, "out of memory", final=True)
        else:
            do(tasks.finish_task, claimed, {})
    again = claim_again(do)
    assert again is not None
    done = do(ask_for_shards, again, DIGEST, PARTS)
    assert len(done) == 1


def test_a_part_runs_what_its_job_runs_under_its_own_name(waiting: Claim, do: Do) -> None:
    claimed = take(do)
    run = do(shards.run_of, claimed, "cpu:1")
    assert (run.job_id, run.token, run.device) == (claimed.task_id, claimed.token, "cpu:1")
    assert (run.spec, run.owner) == (waiting.spec, "ada")


def test_the_parts_of_a_cancelled_job_are_gone(waiting: Claim, do: Do) -> None:
    running = take(do)
    do(store.request_cancel, waiting.job_id)
    assert do(tasks.task_counts) == {}
    with pytest.raises(LostClaim):
        do(tasks.renew_task, running, 45.0)


def test_another_attack_of_the_job_has_parts_of_its_own(
    waiting: Claim, factory: sessionmaker[Session], do: Do
) -> None:
    for _ in PARTS:
        do(tasks.finish_task, take(do), {})
    again = claim_again(do)
    assert again is not None
    with transaction(factory) as session:
        assert ask_for_shards(session, again, "b" * 64, PARTS) is None
    assert do(shards.shard_counts) == (len(PARTS), 0)
