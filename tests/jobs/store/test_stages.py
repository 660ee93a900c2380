from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobs import store
from jobs.errors import LostClaim
from jobs.store import Claim, StageVerdict
from tests.jobs.store.conftest import TEACHER

Do = Callable[..., Any]
STUDENT = "5" * 64


def test_a_stage_is_computed_once_and_then_found(
    submit: Any, claim: Callable[..., Claim], acquire: Any, finish: Any
) -> None:
    submit()
    submit()
    first, second = claim(), claim()
    mine = acquire(first)
    assert mine == StageVerdict("compute", path=f"{TEACHER}/{first.job_id}-1", checkpoints=())
    assert acquire(first) == mine
    assert acquire(second) == StageVerdict("wait")
    result = finish(first, mine)
    assert acquire(second) == StageVerdict("finished", path=result)
    assert acquire(first) == StageVerdict("finished", path=result)


def test_a_finished_stage_whose_files_are_gone_is_computed_again(
    submit: Any, claim: Callable[..., Claim], acquire: Any, finish: Any
) -> None:
    submit()
    mine = claim()
    finish(mine, acquire(mine))
    asked: list[str] = []

    def gone(path: str) -> bool:
        asked.append(path)
        return False

    again = acquire(mine, usable=gone)
    assert again.verdict == "compute" and asked == [f"{TEACHER}/{mine.job_id}-1/result"]
    assert acquire(mine, usable=lambda path: True).verdict == "compute"
    finish(mine, again)
    assert acquire(mine).verdict == "finished"


def test_a_damaged_result_is_dropped_once_and_only_under_a_live_claim(
    submit: Any, do: Do, claim: Callable[..., Claim], acquire: Any, finish: Any
) -> None:
    """Three jobs read it; the first that finds it damaged computes it again, all others find the new one."""
    for _ in range(3):
        submit()
    first, second, third = claim(), claim(), claim()
    old = finish(first, acquire(first))
    assert acquire(second, damaged="elsewhere") == StageVerdict("finished", path=old)
    mine = acquire(second, damaged=old)
    assert mine.verdict == "compute" and mine.path == f"{TEACHER}/{second.job_id}-1"
    assert acquire(third, damaged=old) == StageVerdict("wait")
    assert acquire(first) == StageVerdict("wait")
    new = finish(second, mine)
    assert new != old
    assert acquire(third, damaged=old) == StageVerdict("finished", path=new)
    do(store.requeue_after_crash, third)
    with pytest.raises(LostClaim):
        acquire(third, damaged=new)
    assert acquire(first) == StageVerdict("finished", path=new)


def test_a_stage_that_is_computed_under_another_digest_says_why(
    submit: Any, do: Do, claim: Callable[..., Claim], acquire: Any, finish: Any
) -> None:
    """What is asked for is the same; once a stage, and not to another owner."""
    for owner in ("ann", "ann", "bob"):
        submit(owner=owner)
    first, second, other = claim(), claim(), claim()
    by_owner = sorted((first, second, other), key=lambda one: one.owner)
    (mine, later), bob = by_owner[:2], by_owner[2]
    asked: dict[str, Any] = {"identity": "1" * 64}
    old = acquire(mine, "a" * 64, basis={"recipe": "1", "torch": "2.13", "threads": "1"}, **asked)
    finish(mine, old, "a" * 64)
    basis = {"recipe": "1", "torch": "2.14", "threads": "2"}
    for _ in range(2):
        assert acquire(later, "b" * 64, basis=basis, **asked).verdict == "compute"
    acquire(later, "c" * 64, basis={**basis, "recipe": "2"}, **asked)
    acquire(later, "d" * 64, identity="2" * 64, basis=basis)
    acquire(bob, "b" * 64, basis=basis, **asked)
    told = [
        (event.body["why"], event.body["words"])
        for one in (mine, later, bob)
        for event in do(store.events_after, one.job_id, 0)
        if event.type == "stage_computed_anew"
    ]
    assert told == [
        ("machine", "teacher (at): the finished one is of threads 1, now 2; torch 2.13, now 2.14"),
        (
            "recipe",
            "teacher (at): the finished one is of recipe 1, now 2; threads 1, now 2; torch 2.13, now 2.14",
        ),
    ]


def test_a_training_of_a_version_that_kept_no_identity_says_so(
    submit: Any, do: Do, claim: Callable[..., Claim], acquire: Any, finish: Any
) -> None:
    submit()
    mine = claim()
    finish(mine, acquire(mine, "a" * 64), "a" * 64)
    acquire(mine, "b" * 64, identity="1" * 64, basis={"recipe": "1"})
    (event,) = [one for one in do(store.events_after, mine.job_id, 0) if one.type == "stage_computed_anew"]
    assert (event.body["why"], event.body["digest"]) == ("digests", "b" * 64)


def test_owners_do_not_share(submit: Any, claim: Callable[..., Claim], acquire: Any, finish: Any) -> None:
    """The same digest: nobody waits for another owner, finds another's result, or learns of it."""
    submit(owner="ann")
    submit(owner="bob")
    ann, bob = claim(), claim()
    hers = acquire(ann)
    his = acquire(bob)
    assert hers.verdict == his.verdict == "compute" and hers.path != his.path
    finish(ann, hers)
    assert acquire(bob) == his


def test_a_directory_is_one_claims_alone(
    submit: Any, claim: Callable[..., Claim], acquire: Any, do: Do, checkpoint: Any
) -> None:
    submit()
    first = claim()
    before = acquire(first)
    written = [checkpoint(first, before, number) for number in (1, 2)]
    do(store.requeue_after_crash, first)
    second = claim()
    after = acquire(second)
    assert after.path != before.path
    assert after.checkpoints == tuple(reversed(written))
    newest = checkpoint(second, after, 3)
    assert acquire(second).checkpoints == (newest, *reversed(written))


def test_a_stage_that_is_not_shared_keeps_nobody_waiting(
    submit: Any, claim: Callable[..., Claim], acquire: Any, finish: Any
) -> None:
    submit()
    submit()
    first, second = claim(), claim()
    mine, other = acquire(first, STUDENT, shared=False), acquire(second, STUDENT, shared=False)
    assert mine.verdict == other.verdict == "compute" and mine.path != other.path
    result = finish(first, mine, STUDENT)
    finish(second, other, STUDENT)
    assert acquire(second, STUDENT, shared=False) == StageVerdict("finished", path=result)


def test_a_waiting_job_is_claimable_when_the_stage_is_finished(
    submit: Any, do: Do, claim: Callable[..., Claim], acquire: Any, finish: Any, story: Any
) -> None:
    submit()
    waiting = submit()
    first, second = claim(), claim()
    mine = acquire(first)
    assert acquire(second).verdict == "wait"
    do(store.release, second, waiting_for=TEACHER)
    job = do(store.find, waiting)
    assert (job.state, job.waiting_for, job.attempts_used) == ("queued", TEACHER, 0)
    assert do(store.claimable_count) == 0
    assert do(store.claim, worker_id="w", lease_seconds=45) is None
    finish(first, mine)
    assert do(store.claimable_count) == 1
    again = claim()
    assert again.job_id == waiting
    assert do(store.find, waiting).waiting_for is None
    assert acquire(again).verdict == "finished"
    assert story(waiting) == ["submitted", "claimed", "waiting", "claimed"]


@pytest.mark.parametrize("way", ["cancelled", "failed", "lost", "interrupted", "lapsed", "completed"])
def test_when_the_holder_is_gone_the_next_goes_on_from_its_checkpoints(
    way: str,
    submit: Any,
    do: Do,
    claim: Callable[..., Claim],
    acquire: Any,
    checkpoint: Any,
    finish: Any,
    expire: Callable[[str], None],
) -> None:
    holder_id = submit(max_attempts=1)
    waiting = submit()
    holder, other = claim(), claim()
    mine = acquire(holder)
    written = checkpoint(holder, mine, 4)
    do(store.release, other, waiting_for=TEACHER)
    assert do(store.claim, worker_id="w", lease_seconds=45) is None
    if way == "cancelled":
        do(store.request_cancel, holder_id)
        do(store.acknowledge_cancel, holder)
    elif way == "failed":
        do(store.fail, holder, "disk_full", "no space")
    elif way == "lost":
        do(store.requeue_after_crash, holder)
    elif way == "interrupted":
        do(store.request_cancel, holder_id)
        do(store.release, holder)
    elif way == "completed":
        do(store.complete, holder)
    else:
        expire(holder_id)
        assert do(store.claim, worker_id="w", lease_seconds=45) is None
        do(store.reap_expired)
    following = claim()
    assert following.job_id == waiting
    taken = acquire(following)
    assert taken == StageVerdict(
        "compute", path=f"{TEACHER}/{waiting}-{following.token}", checkpoints=(written,)
    )
    finish(following, taken)


def test_a_holder_whose_lease_lapsed_keeps_its_stage_until_its_job_is_swept(
    submit: Any, do: Do, claim: Callable[..., Claim], acquire: Any, expire: Callable[[str], None], story: Any
) -> None:
    """It may have slept. And a late worker that renews can never hold the stage beside a new one."""
    holder_id = submit()
    submit()
    holder, other = claim(), claim()
    acquire(holder)
    expire(holder_id)
    assert acquire(other).verdict == "wait"
    assert do(store.find, holder_id).state == "running"
    do(store.reap_expired)
    assert acquire(other).verdict == "compute"
    assert do(store.find, holder_id).state == "queued"
    assert story(holder_id)[-1] == "lost"
    again = claim()
    assert again.job_id == holder_id
    assert acquire(again).verdict == "wait"


def test_a_holder_that_renews_in_time_keeps_its_stage(
    submit: Any, do: Do, claim: Callable[..., Claim], acquire: Any, expire: Callable[[str], None]
) -> None:
    holder_id = submit()
    submit()
    holder, other = claim(), claim()
    mine = acquire(holder)
    expire(holder_id)
    do(store.renew, holder, 45)
    assert acquire(other).verdict == "wait"
    assert acquire(holder) == mine


def test_teachers_are_listed_by_owner(
    submit: Any, do: Do, claim: Callable[..., Claim], acquire: Any, finish: Any
) -> None:
    submit(owner="ann")
    mine = claim()
    finish(mine, acquire(mine))
    acquire(mine, STUDENT, shared=False)
    (teacher,) = do(store.stages_of, "ann", kind="pretrain")
    assert (teacher.digest, teacher.state, teacher.label) == (TEACHER, "finished", "teacher (at)")
    assert teacher.finished_at is not None
    assert do(store.stages_of, "bob", kind="pretrain") == []
    assert len(do(store.stages_of, None, kind="transfer")) == 1
