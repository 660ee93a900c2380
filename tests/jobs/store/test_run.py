from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from cartl_core.events import (
    ArtifactWritten,
    CheckpointWritten,
    Progress,
    StageStored,
    Warned,
)
from jobs import store
from jobs.errors import LostClaim
from jobs.store import Claim
from jobs.tables import Job

Do = Callable[..., Any]
D = "d" * 64

# Every write of a worker, with arguments that would do if the claim were alive.
WRITES: dict[str, Callable[[Session, Claim], object]] = {
    "renew": lambda session, claim: store.renew(session, claim, 45),
    "record": lambda session, claim: store.record(session, claim, Warned(message="late")),
    "progress": lambda session, claim: store.record(
        session, claim, Progress(stage="pretrain", label="teacher (at)", fraction=0.9)
    ),
    "acquire": lambda session, claim: store.acquire_stage(
        session, claim, digest=D, kind="pretrain", label="t", shared=True
    ),
    "checkpoint": lambda session, claim: store.record_checkpoint(
        session, claim, CheckpointWritten(stage="pretrain", digest=D, path=f"{D}/x/1", fraction=0.5)
    ),
    "stored": lambda session, claim: store.record_stage_stored(
        session, claim, StageStored(stage="pretrain", digest=D, path=f"{D}/x/result")
    ),
    "artifact": lambda session, claim: store.record_artifact(
        session,
        claim,
        ArtifactWritten(name="report.json", path="report.json", media_type="application/json"),
        path="x/1/report.json",
        size=1,
        sha256=D,
    ),
    "complete": lambda session, claim: store.complete(session, claim),
    "fail": lambda session, claim: store.fail(session, claim, "out_of_memory", "batch 128"),
    "release": lambda session, claim: store.release(session, claim),
    "wait": lambda session, claim: store.release(session, claim, waiting_for=D),
    "requeue_after_crash": lambda session, claim: store.requeue_after_crash(session, claim),
    "acknowledge": lambda session, claim: store.acknowledge_cancel(session, claim),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_late_worker_writes_nothing(
    write: str,
    submit: Any,
    do: Do,
    claim: Callable[..., Claim],
    expire: Callable[[str], None],
    row: Callable[[str], Job],
) -> None:
    job_id = submit()
    late = claim("late")
    expire(job_id)
    do(store.reap_expired)
    claim("new")
    do(store.request_cancel, job_id)
    before = row(job_id)
    with pytest.raises(LostClaim):
        do(WRITES[write], late)
    after = row(job_id)
    assert [getattr(after, c.key) for c in Job.__table__.c] == [
        getattr(before, c.key) for c in Job.__table__.c
    ]


@pytest.mark.parametrize("write", WRITES)
def test_after_the_end_nothing_is_written(
    write: str, submit: Any, do: Do, claim: Callable[..., Claim], story: Callable[[str], list[str]]
) -> None:
    job_id = submit()
    mine = claim()
    do(store.complete, mine)
    with pytest.raises(LostClaim):
        do(WRITES[write], mine)
    assert story(job_id) == ["submitted", "claimed", "succeeded"]


def test_success_ends_the_lease(submit: Any, do: Do, claim: Callable[..., Claim], row: Any) -> None:
    job_id = submit()
    do(store.complete, claim())
    job = row(job_id)
    assert (job.state, job.fraction, job.seconds_left, job.worker_id) == ("succeeded", 1.0, None, None)
    assert job.finished_at is not None and job.lease_expires_at is None


def test_success_wins_over_a_cancel_that_came_late(submit: Any, do: Do, claim: Callable[..., Claim]) -> None:
    job_id = submit()
    mine = claim()
    do(store.request_cancel, job_id)
    do(store.complete, mine)
    assert do(store.find, job_id).state == "succeeded"


def test_release_uses_no_attempt(
    submit: Any, do: Do, claim: Callable[..., Claim], story: Callable[[str], list[str]]
) -> None:
    job_id = submit(max_attempts=1)
    for turn in range(1, 5):
        mine = claim()
        assert (mine.token, mine.attempt) == (turn, 1)
        do(store.release, mine)
        job = do(store.find, job_id)
        assert (job.state, job.attempts_used, job.waiting_for) == ("queued", 0, None)
    assert story(job_id) == ["submitted"] + ["claimed", "interrupted"] * 4


def test_losing_uses_attempts_up_to_the_cap(
    submit: Any, do: Do, claim: Callable[..., Claim], story: Callable[[str], list[str]]
) -> None:
    job_id = submit(max_attempts=3)
    for used in (1, 2):
        mine = claim()
        assert mine.attempt == used
        do(store.requeue_after_crash, mine, "killed by signal 9")
        job = do(store.find, job_id)
        assert (job.state, job.attempts_used, job.reason) == ("queued", used, None)
    do(store.requeue_after_crash, claim(), "killed by signal 9")
    job = do(store.find, job_id)
    assert (job.state, job.attempts_used, job.reason) == ("failed", 3, "worker_lost")
    told = "lost 3 times without coming further, at most 3 are allowed; last: killed by signal 9"
    assert job.message == told
    assert story(job_id) == ["submitted", "claimed", "lost", "claimed", "lost", "claimed", "failed"]
    assert [event.attempt for event in do(store.events_after, job_id)] == [1, 1, 1, 2, 2, 3, 3]


def reach(claim: Claim, fraction: float, do: Do, digest: str = "7" * 64) -> None:
    path = f"{digest}/{claim.job_id}-{claim.token}/{fraction}"
    told = CheckpointWritten(stage="pretrain", digest=digest, path=path, fraction=fraction)
    do(store.record_checkpoint, claim, told)


def test_attempts_that_come_further_are_not_counted(
    submit: Any, do: Do, claim: Callable[..., Claim], row: Callable[[str], Job]
) -> None:
    """Three losses in a row that came no further than a job was before end it, however many there were."""
    job_id = submit(max_attempts=3)
    for number in range(1, 6):
        mine = claim()
        assert mine.attempt == number
        reach(mine, number / 10, do)
        do(store.requeue_after_crash, mine)
        job = row(job_id)
        assert (job.state, job.attempts_used, job.fruitless_attempts) == ("queued", number, 1)
    mine = claim()
    reach(mine, 0.3, do)
    reach(mine, 0.5, do)
    do(store.requeue_after_crash, mine)
    assert row(job_id).fruitless_attempts == 2
    mine = claim()
    stored = StageStored(stage="pretrain", digest="7" * 64, path="7/result")
    do(store.acquire_stage, mine, digest="7" * 64, kind="pretrain", label="teacher", shared=True)
    do(store.record_stage_stored, mine, stored)
    assert row(job_id).fruitless_attempts == 0
    do(store.requeue_after_crash, mine)
    for _ in range(2):
        do(store.requeue_after_crash, claim())
    job = row(job_id)
    assert (job.state, job.reason, job.attempts_used) == ("failed", "worker_lost", 9)
    do(store.retry, job_id)
    job = row(job_id)
    assert (job.attempts_used, job.fruitless_attempts) == (0, 0)


@pytest.mark.parametrize(
    "end", [store.release, store.requeue_after_crash], ids=["release", "requeue_after_crash"]
)
def test_a_run_that_ends_after_cancel_was_asked_is_cancelled(
    end: Callable[..., None], submit: Any, do: Do, claim: Callable[..., Claim]
) -> None:
    job_id = submit(max_attempts=1)
    mine = claim()
    do(store.request_cancel, job_id)
    do(end, mine)
    job = do(store.find, job_id)
    assert (job.state, job.attempts_used, job.reason) == ("cancelled", 0, "cancelled")


def test_a_cancel_that_nobody_asked_for_is_not_acknowledged(
    submit: Any, do: Do, claim: Callable[..., Claim]
) -> None:
    submit()
    with pytest.raises(LostClaim):
        do(store.acknowledge_cancel, claim())


def test_a_lapsed_lease_that_nobody_took_is_renewed(
    submit: Any, do: Do, claim: Callable[..., Claim], expire: Callable[[str], None], row: Callable[[str], Job]
) -> None:
    job_id = submit()
    mine = claim()
    expire(job_id)
    do(store.renew, mine, 45)
    assert do(store.reap_expired) == store.ReapResult()
    job = row(job_id)
    assert (job.state, job.token) == ("running", mine.token)
    assert job.lease_expires_at is not None and job.heartbeat_at is not None
    assert 44.9 < (job.lease_expires_at - job.heartbeat_at).total_seconds() < 45.1
