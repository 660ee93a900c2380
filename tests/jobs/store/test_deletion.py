"""A job that is deleted takes all that hangs on it along, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.errors import SpecError
from cartl_core.events import EpochFinished
from jobs import store
from jobs.database.engine import reading, transaction
from jobs.errors import JobInUse, JobNotEnded, JobNotFound, LostClaim
from jobs.store import Claim
from jobs.store.resources.record import hold_named
from jobs.tables import (
    Artifact,
    Checkpoint,
    DeletedJob,
    IdempotencyKey,
    Job,
    JobEvent,
    JobShare,
    Metric,
    Stage,
)

Do = Callable[..., Any]
TEACHER = "7" * 64
Factory = sessionmaker[Session]
WITH_THE_JOB = (Job, JobEvent, Metric, JobShare, IdempotencyKey, Artifact)


def counts(factory: Factory, *tables: Any) -> list[int]:
    with reading(factory) as session:
        return [session.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]


def remove(do: Do, job_id: str, owner: str | None = "ann") -> None:
    do(store.delete_job, job_id, owner, deleted_by=owner or "root", key_id="k1")


def measures(factory: Factory, evaluation: str, job_id: str) -> None:
    """Let a job be one that measures the network of another."""
    with transaction(factory) as session:
        spec = dict(store.find(session, evaluation).spec) | {"network": {"job": job_id}}
        session.execute(update(Job).where(Job.id == evaluation).values(spec=spec))


def test_all_that_hangs_on_it_goes_and_its_stages_stay(
    submit: Any,
    do: Do,
    claim: Callable[..., Claim],
    acquire: Any,
    checkpoint: Any,
    finish: Any,
    factory: Factory,
) -> None:
    job_id = submit(owner="ann")
    mine = claim()
    do(
        store.record,
        mine,
        EpochFinished(
            stage="pretrain", label="teacher", digest=TEACHER, epoch=1, epochs=2, metrics={"loss": 1.0}
        ),
    )
    verdict = acquire(mine)
    checkpoint(mine, verdict, 1)
    finish(mine, verdict)
    with transaction(factory) as session:
        job = store.find(session, job_id)
        session.add(
            Artifact(
                job_id=job_id, name="a", path=f"{job_id}/1/a", media_type="t", size=1, sha256="0", token=1
            )
        )
        store.share(session, job_id, "ann", reader="bob")
        store.remember(session, owner="ann", key="key", body_digest="d", job=job)
    do(store.complete, mine)
    before = counts(factory, *WITH_THE_JOB)
    other = submit(owner="ann")
    assert min(before) >= 1
    remove(do, job_id)
    assert counts(factory, *WITH_THE_JOB) == [1, 1, 0, 0, 0, 0]
    assert counts(factory, Stage, Checkpoint) == [1, 1]
    with reading(factory) as session:
        (told,) = session.scalars(select(DeletedJob))
        assert (told.id, told.owner_id, told.deleted_by, told.key_id) == (job_id, "ann", "ann", "k1")
        assert store.find(session, other).state == "queued"
    with pytest.raises(JobNotFound):
        remove(do, job_id)


def test_only_jobs_that_have_ended_and_are_ones_own(
    submit: Any, do: Do, claim: Callable[..., Claim], row: Callable[[str], Job]
) -> None:
    job_id = submit(owner="ann")
    with pytest.raises(JobNotEnded, match="queued: cancel it first"):
        remove(do, job_id)
    mine = claim()
    with pytest.raises(JobNotEnded, match="running: cancel it first"):
        remove(do, job_id)
    do(store.complete, mine)
    with pytest.raises(JobNotFound):
        remove(do, job_id, "bob")
    assert row(job_id).state == "succeeded"
    remove(do, job_id, None)
    with pytest.raises(LostClaim):
        do(store.renew, mine, 45)


def test_monitoring_goes_on_counting_it(submit: Any, do: Do, claim: Callable[..., Claim]) -> None:
    job_id = submit(owner="ann")
    do(store.requeue_after_crash, claim())
    do(store.fail, claim(), "out_of_memory", "batch 128")
    before = do(store.tally)
    assert before.claims == 2 and sum(before.recoveries.values()) == 1
    remove(do, job_id)
    after = do(store.tally)
    assert (after.claims, after.last_claim_at, after.recoveries) == (
        before.claims,
        before.last_claim_at,
        before.recoveries,
    )


def test_not_while_its_network_is_to_be_measured(
    submit: Any, do: Do, claim: Callable[..., Claim], factory: Factory
) -> None:
    job_id = submit(owner="ann")
    do(store.complete, claim())
    evaluation = submit(owner="ann")
    measures(factory, evaluation, job_id)
    with pytest.raises(JobInUse, match=evaluation):
        remove(do, job_id)
    do(store.request_cancel, evaluation)
    remove(do, job_id)


@pytest.mark.parametrize("backend", ["postgresql"])
def test_a_deletion_waits_for_the_evaluation_that_is_being_posted(
    submit: Any, do: Do, claim: Callable[..., Claim], factory: Factory
) -> None:
    job_id = submit(owner="ann")
    do(store.complete, claim())
    refused: list[str] = []

    def delete() -> None:
        try:
            remove(do, job_id)
        except JobInUse as error:
            refused.append(str(error))

    thread = threading.Thread(target=delete)
    with transaction(factory) as session:
        hold_named(session, {"network": {"job": job_id}})
        evaluation = submit(owner="ann")
        measures(factory, evaluation, job_id)
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
    thread.join(60)
    assert not thread.is_alive() and evaluation in refused[0]


def test_an_evaluation_of_a_deleted_job_is_refused_as_it_is_written(
    submit: Any, do: Do, claim: Callable[..., Claim]
) -> None:
    job_id = submit(owner="ann")
    do(store.complete, claim())
    remove(do, job_id)
    with pytest.raises(SpecError, match="deleted meanwhile"):
        do(hold_named, {"network": {"job": job_id}})
