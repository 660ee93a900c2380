"""How far trackers have come with jobs: followed from a claim on, moved on batch by batch, ended.

A tracker reads the events that are stored anyway, in a process of its own, so a job never waits for it. The
row says from which event it goes on, after a restart too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, or_, select, update
from sqlalchemy.orm import Session

from jobs.database.dialect import FromNow, Now, insert_if_new
from jobs.state import TERMINAL
from jobs.tables import Job, TrackedJob

FIRST_DELAY, LONGEST_DELAY = 5.0, 900.0
"""Seconds after a failure; doubled with each one in a row."""
MOST_FAILURES = 100
"""In a row, about a day; then the tracker is given up for this job."""


@dataclass(frozen=True)
class Tracked:
    """A job as a tracker has come with it."""

    tracker: str
    job_id: str
    number: int
    """Of the newest event that it has taken."""
    run: str | None
    """The tracker's own id of the job."""
    failures: int


def follow(session: Session, job_id: str, trackers: Iterable[str]) -> None:
    """Let trackers hear of a job from here on; one that had heard its end goes on, as after a retry."""
    for tracker in trackers:
        if not insert_if_new(session, TrackedJob, tracker=tracker, job_id=job_id, next_at=Now()):
            session.execute(
                update(TrackedJob)
                .where(TrackedJob.tracker == tracker, TrackedJob.job_id == job_id)
                .values(ended_at=None, failures=0, next_at=Now())
                .execution_options(synchronize_session=False)
            )


def due_for(session: Session, tracker: str, limit: int) -> Sequence[Tracked]:
    """At most ``limit`` jobs of which ``tracker`` has not heard everything, longest due first."""
    news = or_(Job.event_count > TrackedJob.number, Job.state.in_(TERMINAL))
    chosen = (
        select(TrackedJob.job_id, TrackedJob.number, TrackedJob.run, TrackedJob.failures)
        .join(Job, Job.id == TrackedJob.job_id)
        .where(
            TrackedJob.tracker == tracker,
            TrackedJob.ended_at.is_(None),
            TrackedJob.next_at <= Now(),
            news,
        )
        .order_by(TrackedJob.next_at, TrackedJob.job_id)
        .limit(limit)
    )
    return [Tracked(tracker, *row) for row in session.execute(chosen).all()]


def move_on(session: Session, tracked: Tracked, *, number: int, run: str | None) -> None:
    """The tracker has taken the events up to ``number``; with the last one of an ended job it is done.

    Nothing is changed where another process of this tracker has come further meanwhile.
    """
    whole = and_(Job.id == tracked.job_id, Job.state.in_(TERMINAL), Job.event_count == number)
    session.execute(
        update(TrackedJob)
        .where(_still(tracked))
        .values(
            number=number,
            run=run,
            failures=0,
            next_at=Now(),
            ended_at=case((select(Job.id).where(whole).exists(), Now()), else_=None),
        )
        .execution_options(synchronize_session=False)
    )


def put_off(session: Session, tracked: Tracked) -> bool:
    """An attempt begins, and counts as failed until ``move_on``: the next one is later.

    False: this one is the last.
    """
    failures = tracked.failures + 1
    again = failures < MOST_FAILURES
    delay = min(FIRST_DELAY * 2.0**tracked.failures, LONGEST_DELAY)
    session.execute(
        update(TrackedJob)
        .where(_still(tracked))
        .values(failures=failures, next_at=FromNow(delay), ended_at=None if again else Now())
        .execution_options(synchronize_session=False)
    )
    return again


def _still(tracked: Tracked) -> ColumnElement[bool]:
    return and_(
        TrackedJob.tracker == tracked.tracker,
        TrackedJob.job_id == tracked.job_id,
        TrackedJob.number == tracked.number,
    )
