"""The whole record in a few figures, for monitoring: over all owners, read through indexes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, String, and_, func, literal_column, select, text
from sqlalchemy.orm import Session

from jobs.database.dialect import FromNow, Now
from jobs.state import JobState
from jobs.store.change import is_in
from jobs.tables import COUNTED_EVENTS, DeletedJob, Job, JobEvent, Worker

WINDOW_HOURS = 24
MOST_STAGES = 10_000
"""Stages of the window that are read, newest first."""


@dataclass(frozen=True)
class Tally:
    """Counts since the first job, of deleted ones too, and how things are now, by the database's clock.

    Attributes:
        claims: how often a job was claimed.
        last_claim_at: None when none was.
        recoveries: jobs that went back to the queue because their run was lost, by why.
        stage_seconds: of the stages that were computed in the last ``WINDOW_HOURS``, by kind.
        oldest_queued_seconds: age of the oldest queued job, 0 when nothing is queued.
        last_heartbeat_at: of any worker; None when there never was one.
        longest_silence_seconds: since the least heard running job was heard of, 0 when none runs.
    """

    claims: int
    last_claim_at: datetime | None
    recoveries: Mapping[str, int]
    stage_seconds: Mapping[str, Sequence[float]]
    oldest_queued_seconds: float
    last_heartbeat_at: datetime | None
    longest_silence_seconds: float


def tally(session: Session) -> Tally:
    """Read all figures."""
    claims, last_claim_at = session.execute(
        select(func.count(), func.max(JobEvent.at)).where(_counted("claimed"))
    ).one()
    gone_claims, gone_at = session.execute(
        select(func.coalesce(func.sum(DeletedJob.claims), 0), func.max(DeletedJob.last_claim_at))
    ).one()
    now = session.execute(select(Now())).scalar_one()
    queued_at = session.scalar(select(func.min(Job.created_at)).where(is_in(Job, JobState.QUEUED)))
    heard_at = session.scalar(select(func.min(Job.heartbeat_at)).where(is_in(Job, JobState.RUNNING)))
    return Tally(
        claims=claims + gone_claims,
        last_claim_at=max((at for at in (last_claim_at, gone_at) if at is not None), default=None),
        recoveries=_recoveries(session),
        stage_seconds=_stage_seconds(session),
        oldest_queued_seconds=_since(queued_at, now),
        last_heartbeat_at=session.scalar(select(func.max(Worker.heartbeat_at))),
        longest_silence_seconds=_since(heard_at, now),
    )


def _counted(kind: str) -> ColumnElement[bool]:
    """Events of one kind, in words that the index of counted events serves."""
    return and_(text(f"job_events.{COUNTED_EVENTS}"), JobEvent.type == literal_column(f"'{kind}'", String))


def _since(then: datetime | None, now: datetime) -> float:
    return max(0.0, (now - then).total_seconds()) if then else 0.0


def _recoveries(session: Session) -> dict[str, int]:
    why = JobEvent.body["why"].as_string().label("why")
    counted = select(why, func.count()).where(_counted("lost")).group_by(why)
    found: Counter[str] = Counter(dict(session.execute(counted).all()))
    for losses in session.scalars(select(DeletedJob.losses).where(DeletedJob.losses.is_not(None))):
        found.update(losses)
    return dict(found)


def _stage_seconds(session: Session) -> dict[str, list[float]]:
    recent = (
        select(JobEvent.body)
        .where(_counted("stage_finished"), JobEvent.at > FromNow(-3600.0 * WINDOW_HOURS))
        .order_by(JobEvent.at.desc())
        .limit(MOST_STAGES)
    )
    found: dict[str, list[float]] = {}
    for body in session.execute(recent).scalars():
        if not body["reused"]:
            found.setdefault(body["stage"], []).append(body["seconds"])
    return found
