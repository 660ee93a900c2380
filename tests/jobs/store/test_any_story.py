"""Whatever people, workers, crashes and reapers do in whatever order, the record stays true.

A state machine drives the store on SQLite and keeps a model of what each claim may still do.
"""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)
from sqlalchemy import select, update

from cartl_core.events import CheckpointWritten, StageStored, Warned
from jobs import store
from jobs.database.dialect import FromNow
from jobs.database.engine import make_engine, migrate, reading, session_factory, transaction
from jobs.errors import LostClaim, NotAllowed
from jobs.settings import SQLITE_NAME, Settings
from jobs.state import TERMINAL, JobState
from jobs.store import Claim
from jobs.tables import Job, JobEvent, Stage
from tests.factories import submit_job

TEACHER = "7" * 64
ENDS = {"succeeded", "failed", "cancelled"}
# What takes the job from its worker, or gives it back.
BACK = {"lost", "interrupted", "waiting"}


class Record(RuleBasedStateMachine):
    """Jobs of two owners that share a teacher each; claims are kept after they are lost, and used."""

    jobs: Bundle[str] = Bundle("jobs")
    claims: Bundle[Claim] = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="cartl-story-"))
        local = Settings(data_dir=self.folder)
        shutil.copy(Path(template().name) / SQLITE_NAME, self.folder)
        self.engine = make_engine(local)
        self.factory = session_factory(self.engine)
        self.tokens: dict[str, int] = {}
        self.teaching: dict[str, list[Claim]] = {"ann": [], "bob": []}

    def teardown(self) -> None:
        self.engine.dispose()
        shutil.rmtree(self.folder)

    @rule(
        target=jobs, owner=st.sampled_from(["ann", "bob"]), most=st.integers(1, 3), priority=st.integers(0, 1)
    )
    def submit(self, owner: str, most: int, priority: int) -> str:
        return submit_job(self.factory, owner, max_attempts=most, priority=priority)

    @rule(target=claims)
    def claim(self) -> Claim | MultipleResults[Claim]:
        with transaction(self.factory) as session:
            expected = store.claimable_count(session)
            mine = store.claim(session, worker_id="worker", lease_seconds=1000)
        assert (mine is not None) == (expected > 0)
        return multiple() if mine is None else mine

    @rule(claim=claims)
    def renew(self, claim: Claim) -> None:
        with self.as_the_fence_says(claim), transaction(self.factory) as session:
            asked = store.renew(session, claim, 1000).cancel_requested
            assert asked == (store.find(session, claim.job_id).cancel_requested_at is not None)

    @rule(claim=claims)
    def tell(self, claim: Claim) -> None:
        with self.as_the_fence_says(claim), transaction(self.factory) as session:
            store.record(session, claim, Warned(message="hello"))

    @rule(claim=claims, fraction=st.floats(0, 1), finish=st.booleans())
    def train_the_teacher(self, claim: Claim, fraction: float, finish: bool) -> None:
        with self.as_the_fence_says(claim), transaction(self.factory) as session:
            verdict = store.acquire_stage(
                session, claim, digest=TEACHER, kind="pretrain", label="teacher", shared=True
            )
            if verdict.verdict == "compute":
                self.teaching[claim.owner].append(claim)
            if verdict.verdict == "wait":
                store.release(session, claim, waiting_for=TEACHER)
            elif verdict.verdict == "compute" and finish:
                path = f"{verdict.path}/result"
                store.record_stage_stored(
                    session, claim, StageStored(stage="pretrain", digest=TEACHER, path=path)
                )
            elif verdict.verdict == "compute":
                path = f"{verdict.path}/{fraction}"
                told = CheckpointWritten(stage="pretrain", digest=TEACHER, path=path, fraction=fraction)
                store.record_checkpoint(session, claim, told)

    @rule(claim=claims)
    def complete(self, claim: Claim) -> None:
        with self.as_the_fence_says(claim), transaction(self.factory) as session:
            store.complete(session, claim)

    @rule(claim=claims)
    def fail(self, claim: Claim) -> None:
        with self.as_the_fence_says(claim), transaction(self.factory) as session:
            store.fail(session, claim, "out_of_memory", "batch 128")

    @rule(claim=claims)
    def requeue_after_crash(self, claim: Claim) -> None:
        with self.as_the_fence_says(claim), transaction(self.factory) as session:
            store.requeue_after_crash(session, claim)

    @rule(claim=consumes(claims))
    def interrupt(self, claim: Claim) -> None:
        with self.as_the_fence_says(claim), transaction(self.factory) as session:
            store.release(session, claim)

    @rule(claim=claims)
    def acknowledge(self, claim: Claim) -> None:
        with reading(self.factory) as session:
            asked = store.find(session, claim.job_id).cancel_requested_at is not None
        if asked:
            with self.as_the_fence_says(claim), transaction(self.factory) as session:
                store.acknowledge_cancel(session, claim)

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        with reading(self.factory) as session:
            before = store.find(session, job_id).state
        refused = before in ("succeeded", "failed")
        try:
            with transaction(self.factory) as session:
                store.request_cancel(session, job_id)
            assert not refused
        except NotAllowed:
            assert refused

    @rule(job_id=jobs)
    def retry(self, job_id: str) -> None:
        with reading(self.factory) as session:
            before = store.find(session, job_id).state
        allowed = before in ("failed", "cancelled")
        try:
            with transaction(self.factory) as session:
                store.retry(session, job_id)
            assert allowed
        except NotAllowed:
            assert not allowed

    @rule(job_id=jobs)
    def fall_silent(self, job_id: str) -> None:
        with transaction(self.factory) as session:
            running = (Job.id == job_id, Job.state == JobState.RUNNING)
            session.execute(update(Job).where(*running).values(lease_expires_at=FromNow(-1)))

    @rule()
    def sweep(self) -> None:
        with transaction(self.factory) as session:
            store.reap_expired(session)
            assert store.reap_expired(session) == store.ReapResult()

    def as_the_fence_says(self, claim: Claim) -> Fence:
        """The write must succeed exactly while the job runs under this token."""
        with reading(self.factory) as session:
            job = store.find(session, claim.job_id)
            return Fence(job.state == JobState.RUNNING and job.token == claim.token)

    @invariant()
    def events_are_without_gaps_and_tell_the_state(self) -> None:
        with reading(self.factory) as session:
            for job in session.scalars(select(Job)):
                events = session.scalars(
                    select(JobEvent).where(JobEvent.job_id == job.id).order_by(JobEvent.number)
                ).all()
                assert [event.number for event in events] == list(range(1, job.event_count + 1))
                told = [event.type for event in events]
                assert state_after(told) == job.state
                assert told.count("claimed") == job.token
                this_try = told[len(told) - told[::-1].index("retried") :] if "retried" in told else told
                given_up = job.reason == "worker_lost"
                assert job.attempts_used == this_try.count("lost") + given_up
                assert given_up == (job.fruitless_attempts == job.max_attempts)
                assert job.fruitless_attempts <= job.attempts_used

    @invariant()
    def tokens_never_fall(self) -> None:
        with reading(self.factory) as session:
            for job in session.scalars(select(Job)):
                assert job.token >= self.tokens.get(job.id, 0)
                self.tokens[job.id] = job.token

    @invariant()
    def rows_agree_with_themselves(self) -> None:
        with reading(self.factory) as session:
            for job in session.scalars(select(Job)):
                assert (job.finished_at is not None) == (job.state in TERMINAL)
                assert (job.worker_id is not None) == (job.state == JobState.RUNNING)
                assert job.waiting_for is None or job.state == JobState.QUEUED
                assert job.reason is None or job.state in TERMINAL

    @invariant()
    def a_teacher_is_held_by_one_claim_at_most(self) -> None:
        with reading(self.factory) as session:
            for owner, taught in self.teaching.items():
                live = {
                    claim.job_id
                    for claim in taught
                    if (job := store.find(session, claim.job_id)).state == JobState.RUNNING
                    and job.token == claim.token
                }
                stage = session.get(Stage, (owner, TEACHER))
                assert len(live) <= 1 or (stage is not None and stage.state == "finished")
            for stage in session.scalars(select(Stage)):
                assert stage.token <= self.tokens[stage.job_id]
                assert (stage.path is not None) == (stage.state == "finished")


class Fence:
    """Expects `LostClaim` when the claim is lost, and nothing else."""

    def __init__(self, alive: bool) -> None:
        self.alive = alive

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> bool:
        if kind is LostClaim:
            assert not self.alive, "a live claim was refused"
            return True
        assert kind is not None or self.alive, "a lost claim was obeyed"
        return False


def state_after(told: list[str]) -> str:
    """Read the story: each try ends at most once, and only claims and retries start anything."""
    state = ""
    for event in told:
        if event == "submitted":
            assert state == ""
            state = "queued"
        elif event == "claimed":
            assert state == "queued"
            state = "running"
        elif event == "retried":
            assert state in ("failed", "cancelled")
            state = "queued"
        elif event in BACK:
            assert state == "running"
            state = "queued"
        elif event in ENDS:
            assert state == "running" or (event, state) == ("cancelled", "queued")
            state = event
        else:
            assert state == "running", f"{event} while {state}"
    return state


@cache
def template() -> tempfile.TemporaryDirectory[str]:
    """A directory with a migrated SQLite file, made once and removed at the end."""
    folder = tempfile.TemporaryDirectory(prefix="cartl-story-")
    engine = make_engine(Settings(data_dir=Path(folder.name)))
    migrate(engine)
    engine.dispose()
    return folder


TestAnyStory = Record.TestCase
TestAnyStory.settings = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
