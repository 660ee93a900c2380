"""Eight jobs that share a teacher train it once, on one slot and on four."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.store import Claim, StageVerdict
from tests.factories import claim_if_any
from tests.jobs.store.conftest import TEACHER

Do = Callable[..., Any]


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
        mine = claim_if_any(factory, "slot")
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
        mine = claim_if_any(factory, f"slot-{turn % 4}")
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
