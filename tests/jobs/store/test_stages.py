from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.events import ArtifactWritten, CheckpointWritten, StageStored
from jobs import store
from jobs.database.engine import transaction
from jobs.errors import ArtifactNameRefused, ArtifactNotFound, LostClaim
from jobs.store import Claim, StageVerdict
from jobs.tables import Job

Do = Callable[..., Any]
TEACHER = "7" * 64
STUDENT = "5" * 64


@pytest.fixture
def acquire(do: Do) -> Callable[..., StageVerdict]:
    def ask(claim: Claim, digest: str = TEACHER, shared: bool = True, **options: Any) -> StageVerdict:
        verdict: StageVerdict = do(
            store.acquire_stage,
            claim,
            digest=digest,
            kind="pretrain" if shared else "transfer",
            label="teacher (at)",
            shared=shared,
            **options,
        )
        return verdict

    return ask


@pytest.fixture
def checkpoint(do: Do) -> Callable[..., str]:
    def write(claim: Claim, verdict: StageVerdict, number: int, digest: str = TEACHER) -> str:
        path = f"{verdict.path}/checkpoint-{number}"
        told = CheckpointWritten(stage="pretrain", digest=digest, path=path, fraction=number / 10)
        do(store.record_checkpoint, claim, told)
        return path

    return write


@pytest.fixture
def finish(do: Do) -> Callable[..., str]:
    def store_result(claim: Claim, verdict: StageVerdict, digest: str = TEACHER) -> str:
        path = f"{verdict.path}/result"
        do(store.record_stage_stored, claim, StageStored(stage="pretrain", digest=digest, path=path))
        return path

    return store_result


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


def test_eight_jobs_one_slot_one_teacher_and_the_first_is_cancelled_midway(
    factory: sessionmaker[Session],
    submit: Any,
    do: Do,
    claim: Callable[..., Claim],
    acquire: Any,
    checkpoint: Any,
    finish: Any,
) -> None:
    jobs = [submit() for _ in range(8)]
    trained: list[str] = []
    cancelled = jobs[0]
    for _ in range(50):
        with transaction(factory) as session:
            mine = store.claim(session, worker_id="slot", lease_seconds=45)
        if mine is None:
            break
        verdict = acquire(mine)
        assert verdict.verdict != "wait", "one slot: nobody else runs"
        if verdict.verdict == "compute":
            start = len(verdict.checkpoints)
            for number in range(start, 4):
                trained.append(checkpoint(mine, verdict, number))
                if mine.job_id == cancelled and number == 1:
                    do(store.request_cancel, cancelled)
                    break
            if do(store.renew, mine, 45).cancel_requested:
                do(store.acknowledge_cancel, mine)
                continue
            finish(mine, verdict)
        do(store.complete, mine)
    states = [do(store.find, job_id).state for job_id in jobs]
    assert states == ["cancelled"] + ["succeeded"] * 7
    assert [path.rsplit("-", 1)[1] for path in trained] == ["0", "1", "2", "3"]
    assert [jobs.index(path.split("/")[1].rsplit("-", 1)[0]) for path in trained] == [0, 0, 1, 1]


def test_eight_jobs_on_four_slots_train_the_teacher_once(
    factory: sessionmaker[Session], submit: Any, do: Do, acquire: Any, finish: Any
) -> None:
    jobs = [submit() for _ in range(8)]
    training: dict[str, StageVerdict] = {}
    held: list[Claim] = []
    results: set[str] = set()
    for turn in range(60):
        with transaction(factory) as session:
            mine = store.claim(session, worker_id=f"slot-{turn % 4}", lease_seconds=45)
        if mine is not None:
            verdict = acquire(mine)
            if verdict.verdict == "wait":
                do(store.release, mine, waiting_for=TEACHER)
            elif verdict.verdict == "compute":
                training[mine.job_id] = verdict
                held.append(mine)
            else:
                results.add(str(verdict.path))
                do(store.complete, mine)
        elif held:  # nothing is claimable while the teacher is in training: now it is done
            holder = held.pop()
            finish(holder, training[holder.job_id])
            do(store.complete, holder)
        else:
            break
    assert len(training) == 1 and len(results) == 1
    assert {do(store.find, job_id).state for job_id in jobs} == {"succeeded"}


def test_an_artifact_counts_once_written_and_a_later_attempt_replaces_it(
    submit: Any, do: Do, claim: Callable[..., Claim]
) -> None:
    job_id = submit()
    told = ArtifactWritten(name="report.json", path="report.json", media_type="application/json")
    for token in (1, 2):
        mine = claim()
        do(
            store.record_artifact,
            mine,
            told,
            path=f"{job_id}/{token}/report.json",
            size=token,
            sha256="a" * 64,
        )
        do(store.requeue_after_crash, mine)
    (kept,) = do(store.artifacts_of, job_id)
    assert (kept.path, kept.size, kept.token) == (f"{job_id}/2/report.json", 2, 2)
    assert do(store.artifact, job_id, "report.json").sha256 == "a" * 64
    for missing in ("other", "a\x00b"):
        with pytest.raises(ArtifactNotFound):
            do(store.artifact, job_id, missing)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a\x00", "-rf", "a b", "a" * 201, "a\n"])
def test_an_artifacts_name_stays_in_its_directory(
    name: str, submit: Any, do: Do, claim: Callable[..., Claim], row: Callable[[str], Job]
) -> None:
    job_id = submit()
    mine = claim()
    told = ArtifactWritten(name=name, path="x", media_type="text/plain")
    with pytest.raises(ArtifactNameRefused):
        do(store.record_artifact, mine, told, path="x", size=1, sha256="a" * 64)
    assert row(job_id).event_count == 2


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
