"""Quotas of owners in the record: what is counted, who is refused, who waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database.dialect import FromNow
from jobs.database.engine import reading
from jobs.errors import QuotaExceeded, TooManyJobs
from jobs.quotas import NO_LIMITS, Limits
from jobs.store import Claim
from jobs.store.quotas.device_time import PART, forget_uses
from jobs.store.quotas.limits import (
    clear_quota,
    demand_bytes,
    demand_quota,
    limits_of,
    set_quota,
    used_by,
)
from jobs.store.shards import SHARD
from jobs.store.tasks import add_task, claim_task, finish_task, release_task
from jobs.tables import Artifact, Dataset, DeviceUse, Job, Task, Upload

Do = Callable[..., Any]
MINUTE = 60.0


@pytest.fixture
def began(do: Do) -> Callable[[Claim], None]:
    """Let a claim have begun a minute ago."""

    def shift(session: Session, claim: Claim) -> None:
        session.execute(update(Job).where(Job.id == claim.job_id).values(claimed_at=FromNow(-MINUTE)))

    return lambda claim: do(shift, claim)


def used(do: Do, owner: str = "ann", window_days: float = 30.0) -> float:
    found: float = do(used_by, owner, window_days).device_seconds
    return found


def test_runs_count_while_they_run_and_after_they_have_ended(
    submit: Any, claim: Callable[..., Claim], do: Do, began: Any, factory: sessionmaker[Session]
) -> None:
    ends: dict[str, Callable[[Claim], Any]] = {
        "succeeded": lambda one: do(store.complete, one),
        "failed": lambda one: do(store.fail, one, "timeout", "it took long"),
        "released": lambda one: do(store.release, one),
        "crashed": lambda one: do(store.requeue_after_crash, one),
    }
    total = 0.0
    for name, end in ends.items():
        if name not in ("crashed",):
            submit("ann")
        one = claim()
        assert used(do) == pytest.approx(total, abs=5)
        began(one)
        assert used(do) == pytest.approx(total + MINUTE, abs=5), name
        end(one)
        # What was lost counts until it was last heard of, here at its claim.
        total += MINUTE
        assert used(do) == pytest.approx(total, abs=5), name
    assert used(do, "bob") == 0
    with reading(factory) as session:
        assert session.scalar(select(func.count()).select_from(DeviceUse)) == len(ends)


def test_parts_of_evaluations_count_and_checks_of_data_sets_do_not(do: Do) -> None:
    assert PART == SHARD

    def run(session: Session, kind: str, end: Callable[..., Any]) -> None:
        add_task(session, kind, "parent", "ann")
        one = claim_task(session, "w", 60, kinds=(kind,))
        assert one is not None
        session.execute(update(Task).where(Task.id == one.task_id).values(started_at=FromNow(-MINUTE)))
        end(session, one)

    do(run, "check_dataset", lambda session, one: release_task(session, one))
    assert used(do) == 0
    do(run, PART, lambda *_: None)
    assert used(do) == pytest.approx(MINUTE, abs=5)
    do(run, PART, lambda session, one: release_task(session, one))
    assert used(do) == pytest.approx(2 * MINUTE, abs=5)


def test_a_window_forgets_what_is_longer_ago(
    submit: Any, claim: Callable[..., Claim], do: Do, began: Any
) -> None:
    submit("ann")
    one = claim()
    began(one)
    do(store.complete, one)
    do(lambda session: session.execute(update(DeviceUse).values(ended_at=FromNow(-2 * 86_400.0))))
    assert used(do, window_days=3.0) == pytest.approx(MINUTE, abs=5) and used(do, window_days=1.0) == 0
    assert do(forget_uses, 3.0) == 0 and do(forget_uses, 1.0) == 1


def test_stored_bytes_are_all_that_an_owner_has_sent_and_the_files_of_their_jobs(submit: Any, do: Do) -> None:
    job = submit("ann")

    def fill(session: Session) -> None:
        shared = {"sha256": "s", "path": "p"}
        session.add(Upload(id="u", owner_id="ann", size=100, architecture={}, **shared))
        session.add(Upload(id="v", owner_id="bob", size=7, architecture={}, **shared))
        receiving = {"state": "receiving", "origin": "upload", "expires_at": FromNow(60)}
        session.add(Dataset(id="d", owner_id="ann", name="n", asked={}, size=20, **receiving))
        session.add(Artifact(job_id=job, name="a", media_type="m", size=3, token=1, **shared))

    do(fill)
    assert do(used_by, "ann", 30.0).stored_bytes == 123 and do(used_by, "bob", 30.0).stored_bytes == 7
    limits = Limits(stored_bytes=123)
    with pytest.raises(QuotaExceeded, match=r"123 of 123 stored bytes are used.*delete some"):
        do(demand_quota, "ann", limits)
    do(demand_bytes, "ann", Limits(stored_bytes=130), 7)
    with pytest.raises(QuotaExceeded):
        do(demand_bytes, "ann", Limits(stored_bytes=130), 8)
    do(demand_quota, "ann", NO_LIMITS)


def test_an_owners_own_limits_go_before_those_of_the_settings(submit: Any, do: Do) -> None:
    defaults = Limits(queued=1, running=5)
    submit("ann")
    with pytest.raises(TooManyJobs):
        do(store.remaining_quota, "ann", defaults)
    do(set_quota, "ann", {"queued": 3})
    assert do(store.remaining_quota, "ann", defaults) == 2
    assert do(limits_of, "ann", defaults) == Limits(queued=3, running=5)
    do(set_quota, "ann", {"running": 1})
    assert do(limits_of, "ann", defaults) == Limits(queued=1, running=1)
    assert do(clear_quota, "ann") and not do(clear_quota, "ann")
    assert do(limits_of, "ann", defaults) == defaults


def test_who_has_used_their_device_time_queues_no_more_and_is_passed_over(
    submit: Any, claim: Callable[..., Claim], do: Do, began: Any
) -> None:
    submit("ann")
    one = claim()
    began(one)
    do(store.complete, one)
    for owner in ("ann", "ann", "bob"):
        submit(owner)
    limits = Limits(device_seconds=30)
    with pytest.raises(QuotaExceeded, match=r"60 of 30 device seconds are used within the last 30 days"):
        do(store.remaining_quota, "ann", limits)
    assert do(store.remaining_quota, "bob", limits) > 1
    assert do(store.claimable_count, limits) == 1
    taken = do(store.claim, worker_id="w", lease_seconds=45, limits=limits)
    assert taken.owner == "bob" and do(store.claimable_count, limits) == 0
    assert do(store.claim, worker_id="w", lease_seconds=45, limits=limits) is None
    do(set_quota, "ann", {"device_seconds": 3600, "running": 1})
    assert do(store.claimable_count, limits) == 1
    assert do(store.claim, worker_id="w", lease_seconds=45, limits=limits).owner == "ann"
    # A limit that one owner alone has counts where the settings have none.
    assert do(store.claimable_count) == 0
    assert do(store.claim, worker_id="w", lease_seconds=45) is None


def test_a_limit_is_no_reason_to_end_a_run(
    submit: Any, claim: Callable[..., Claim], do: Do, began: Any
) -> None:
    submit("ann")
    one = claim()
    began(one)
    do(set_quota, "ann", {"device_seconds": 1})
    assert not do(store.renew, one, 45.0).cancel_requested


def test_a_finished_part_is_counted_once(do: Do, submit: Any) -> None:
    job = submit("ann")

    def play(session: Session) -> None:
        add_task(session, PART, job, "ann", {"digest": "d", "first": 0, "last": 1})
        one = claim_task(session, "w", 60, kinds=(PART,))
        assert one is not None
        finish_task(session, one, {})

    do(play)
    assert do(lambda session: session.scalar(select(func.count()).select_from(DeviceUse))) == 1
