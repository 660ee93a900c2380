"""Which job goes next, decided in SQL at the moment of the claim.

Owners take turns: the one with the fewest running jobs goes next, then the one whose best job is the oldest.
Of an owner the best job is the one with the highest priority, then the oldest. A priority therefore chooses
among its owner's jobs alone; a newer job that its owner prefers waits for the older ones of other owners.

The queue may hold tens of thousands of jobs, so nothing here reads it whole: the owners that have queued
jobs are walked along an index, and of each only its best claimable job is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, exists, func, or_, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from cartl_core.planning.estimates.rates import MeasuredRate
from cartl_core.spec import JobSpec, Runtime
from cartl_core.spec.existing_network import EvaluateJobSpec, spec_of
from jobs.database.dialect import FromNow, Now
from jobs.devices import Slot
from jobs.errors import LostClaim
from jobs.files.brought import packs_of, teacher_of_spec
from jobs.files.network_files import file_of
from jobs.quotas import NO_LIMITS, Limits
from jobs.state import JobState, Move
from jobs.store.change import is_in, move, running_under
from jobs.store.machines.rates import measured_rates
from jobs.store.machines.slots import note_claim
from jobs.store.quotas.caps import Caps, caps_of
from jobs.tables import Job, Stage, Task

OWNERS_TRIED = 32
"""Owners whose best job is tried before a claim comes back empty; all but one are held by other claims."""
_FIRST, _OTHER, _MINE, _CANDIDATE, _RUNNING, _HOLDER = (aliased(Job) for _ in range(6))
"""The roles of jobs in the statements below. Each claim writes its statements anew: to make an alias of all
columns of a job takes longer than the rest of that."""


@dataclass(frozen=True)
class Claim:
    """The right to run a job: good while the job is running under this token."""

    job_id: str
    owner: str
    token: int
    attempt: int
    """1 for the first attempt of a try."""
    worker_id: str
    spec: JobSpec | EvaluateJobSpec
    runtime: Runtime | None
    """None at the first claim: the child resolves it and tells; later attempts must use it."""
    network: str | None = None
    """What an evaluation measures: its path relative to the artifacts directory; None when it is gone."""
    packs: tuple[tuple[str, str], ...] = ()
    """The data sets that people brought: their ids, and where their packs are, relative likewise."""
    teacher: str | None = None
    """The network file of the teacher that a transfer is given, relative likewise."""
    rates: tuple[MeasuredRate, ...] = ()
    """What is known of the time that stages take, on any machine."""
    time_limit: float | None = None
    """Seconds that the request allows this attempt."""
    device: str | None = None
    """Id of the one device that the run may see, e.g. ``cuda:1``; None where no slot was named."""

    @property
    def fence(self) -> ColumnElement[bool]:
        """The condition that every write of this claim carries."""
        return running_under(self.job_id, self.token)

    @property
    def lost(self) -> LostClaim:
        """What is raised when the fence holds no more."""
        return LostClaim(job_id=self.job_id, token=self.token)

    @property
    def subject(self) -> str:
        """What it is about, for the log."""
        return f"job {self.job_id}"


def claim(
    session: Session,
    *,
    worker_id: str,
    lease_seconds: float,
    limits: Limits = NO_LIMITS,
    supervisor_pid: int | None = None,
    slot: Slot | None = None,
) -> Claim | None:
    """Take the best claimable job, or None when there is none.

    ``supervisor_pid`` is the process of the worker that will run it: should it die, ``free_orphans``
    finds the job. ``slot`` is where it will run.

    Claimable: queued, ``not_before`` passed, not waiting for a stage that a running job computes, and its
    owner has fewer running jobs and has used fewer device seconds than allowed. ``limits`` are the ones of
    the settings; an owner's own go before. Rows that another claim holds are passed over (PostgreSQL); an
    owner's lower priorities are tried only when no better job is free.
    """
    caps = caps_of(session, limits)
    owners = [(row[0], row[1]) for row in session.execute(_owners_in_order(caps))]
    for of_best_priority in (True, False):
        for owner, priority in owners:
            if caps.of_running and not _alone_with(session, owner):
                continue
            guard = Job.id == _best_of(owner, priority if of_best_priority else None)
            if caps.of_running:
                guard = and_(guard, _running_of(owner) < caps.running(owner))
            claimed = _take(session, guard, worker_id, supervisor_pid, lease_seconds, slot)
            if claimed is not None:
                return claimed
    return None


def _take(
    session: Session,
    guard: ColumnElement[bool],
    worker_id: str,
    supervisor_pid: int | None,
    lease_seconds: float,
    slot: Slot | None,
) -> Claim | None:
    device = None if slot is None else slot.device.id
    claimed = move(
        session,
        guard,
        Move.CLAIM,
        "claimed",
        {"worker": worker_id} | ({} if device is None else {"device": device}),
        token=Job.token + 1,
        worker_id=worker_id,
        supervisor_pid=supervisor_pid,
        lease_expires_at=FromNow(lease_seconds),
        heartbeat_at=Now(),
        claimed_at=Now(),
        started_at=func.coalesce(Job.started_at, Now()),
        waiting_for=None,
        not_before=None,
        seconds_left=Job.estimate["seconds"].as_float(),
    )
    if claimed is None:
        return None
    job = session.get_one(Job, claimed.job_id, populate_existing=True)
    claim = claim_of(session, job, claimed.attempt, worker_id, device)
    if slot is not None:
        note_claim(session, worker_id, slot, claim.job_id, claim.token)
    return claim


def claim_of(session: Session, job: Job, attempt: int, worker_id: str, device: str | None) -> Claim:
    """The value of a claim of a job's row."""
    spec = spec_of(job.spec)
    network = None if isinstance(spec, JobSpec) else file_of(session, spec.network, job.owner_id)
    return Claim(
        job_id=job.id,
        owner=job.owner_id,
        token=job.token,
        attempt=attempt,
        worker_id=worker_id,
        spec=spec,
        runtime=Runtime.model_validate(job.runtime) if job.runtime else None,
        network=network,
        packs=packs_of(spec),
        teacher=teacher_of_spec(spec),
        rates=measured_rates(session),
        time_limit=job.request.get("time_limit"),
        device=device,
    )


def _owners_in_order(caps: Caps) -> Select[str, int]:
    """Owners with something to claim and the priority of their best job, who goes next first.

    Values of the best job are looked up by its id one by one: for a join PostgreSQL would read all jobs.
    """
    first, other, mine = _FIRST, _OTHER, _MINE
    owners = select(func.min(first.owner_id).label("owner_id")).where(is_in(first, JobState.QUEUED))
    walk = owners.cte("owners", recursive=True)
    following = select(func.min(other.owner_id)).where(
        is_in(other, JobState.QUEUED), other.owner_id > walk.c.owner_id
    )
    walk = walk.union_all(select(following.scalar_subquery()).where(walk.c.owner_id.is_not(None)))
    best_id = _first(mine, mine.owner_id == walk.c.owner_id).correlate(walk).scalar_subquery()
    best = select(walk.c.owner_id, best_id.label("id")).where(walk.c.owner_id.is_not(None)).cte("best")
    priority = select(first.priority).where(first.id == best.c.id).scalar_subquery()
    created_at = select(first.created_at).where(first.id == best.c.id).scalar_subquery()
    running = _running_of(best.c.owner_id)
    ranked = select(best.c.owner_id, priority).where(best.c.id.is_not(None))
    if caps.of_running:
        ranked = ranked.where(running < caps.running(best.c.owner_id))
    if caps.of_device_seconds:
        ranked = ranked.where(caps.has_device_time(best.c.owner_id))
    return ranked.order_by(running, created_at, best.c.id).limit(OWNERS_TRIED)


def _best_of(owner: str, priority: int | None) -> ScalarSelect[str]:
    """Id of the owner's best claimable job that no other claim holds, locked."""
    candidate = _CANDIDATE
    chosen = _first(candidate, candidate.owner_id == owner)
    if priority is not None:
        chosen = chosen.where(candidate.priority == priority)
    return chosen.with_for_update(skip_locked=True, of=candidate).scalar_subquery()


def _first(job: type[Job], condition: ColumnElement[bool]) -> Select[str]:
    return (
        select(job.id)
        .where(condition, claimable(job))
        .order_by(job.priority.desc(), job.created_at, job.id)
        .limit(1)
    )


def _running_of(owner: ColumnElement[str] | InstrumentedAttribute[str] | str) -> ScalarSelect[int]:
    other = _RUNNING
    return (
        select(func.count())
        .select_from(other)
        .where(is_in(other, JobState.RUNNING), other.owner_id == owner)
        .scalar_subquery()
    )


def _alone_with(session: Session, owner: str) -> bool:
    """Hold the right to claim for an owner until the transaction ends, so that two claims at once
    cannot both see room under the limit. SQLite's writers are alone anyway."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    lock = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")
    return bool(session.execute(lock, {"name": f"running jobs of {owner}"}).scalar_one())


def claimable(job: type[Job]) -> ColumnElement[bool]:
    """Queued, not too early, and not waiting for a stage that a running job computes, or for parts of one.

    A holder whose lease has lapsed counts until maintenance has taken its job: it may only have slept.
    """
    holder = _HOLDER
    computed_elsewhere = exists().where(
        Stage.owner_id == job.owner_id,
        Stage.digest == job.waiting_for,
        Stage.state == "computing",
        holder.id == Stage.job_id,
        holder.token == Stage.token,
        is_in(holder, JobState.RUNNING),
    )
    has_parts = exists().where(Task.parent_id == job.id, Task.finished_at.is_(None))
    return and_(
        is_in(job, JobState.QUEUED),
        or_(job.not_before.is_(None), job.not_before <= Now()),
        or_(job.waiting_for.is_(None), ~computed_elsewhere & ~has_parts),
    )


def claimable_count(session: Session, limits: Limits = NO_LIMITS) -> int:
    """How many jobs could be claimed now: more workers need not be notified."""
    job, other = aliased(Job), aliased(Job)
    waiting, caps = _by_owner(session, job, claimable(job)), caps_of(session, limits)
    if not waiting or not (caps.of_running or caps.of_device_seconds):
        return sum(waiting.values())
    running = _by_owner(session, other, is_in(other, JobState.RUNNING))
    rooms = {owner: caps.room(session, owner, running.get(owner, 0)) for owner in waiting}
    return sum(min(count, rooms[owner]) for owner, count in waiting.items())


def _by_owner(session: Session, job: type[Job], condition: ColumnElement[bool]) -> dict[str, int]:
    counted = session.execute(
        select(job.owner_id, func.count()).where(condition).group_by(job.owner_id)
    ).all()
    return {row[0]: row[1] for row in counted}
