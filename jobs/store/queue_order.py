"""Where a job stands in the queue, and its priority, which its owner may change.

``claim`` decides which job goes next: owners take turns by the age of their best jobs, and a priority orders
the jobs of one owner. A job that waits for a newer one of its owner therefore waits for what is older than
that one. A place told here is an estimate: it takes the jobs of others in order of age.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Row,
    ScalarSelect,
    Select,
    String,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session

from jobs.database.dialect import UtcTime
from jobs.errors import JobEnded
from jobs.state import TERMINAL, JobState
from jobs.store.change import append, job_of
from jobs.tables import Job

MOST_AHEAD = 100
LOOKED_AT = 1000
"""Queued jobs that a list is told places from."""


def queue_position(session: Session, job: Job) -> int | None:
    """1 for the queued job that goes next; None when it is not queued.

    How many jobs of each owner run is looked at when a job is claimed, so this is an estimate. It stops at
    ``MOST_AHEAD + 1``, which stands for "or more".
    """
    if job.state != JobState.QUEUED:
        return None
    place = {
        "its_priority": job.priority,
        "its_owner": job.owner_id,
        "its_created_at": job.created_at,
        "itself": job.id,
    }
    return 1 + session.execute(_AHEAD, place).scalar_one()


def queue_positions(session: Session, jobs: Iterable[Job]) -> dict[str, int]:
    """``queue_position`` of several jobs by one query; those that are not queued are left out.

    The ``LOOKED_AT`` eldest queued jobs are looked at: what is behind them is behind ``MOST_AHEAD`` as well,
    or nearly all of what is ahead of it has a higher priority and is younger.
    """
    queued = [job for job in jobs if job.state == JobState.QUEUED]
    if not queued:
        return {}
    eldest = (
        select(Job.owner_id, Job.priority, Job.created_at, Job.id)
        .where(_queued(Job.__table__))
        .order_by(Job.created_at, Job.id)
        .limit(LOOKED_AT)
    )
    queue = _Queue(session.execute(eldest).all())
    return {job.id: 1 + min(queue.ahead_of(job), MOST_AHEAD) for job in queued}


Age = tuple[datetime, str]


class _Queue:
    """Queued jobs, to be asked of many what ``_AHEAD`` counts of one.

    Args:
        rows: owner, priority, time and id of each, the eldest first.
    """

    def __init__(self, rows: Sequence[Row[str, int, datetime, str]]) -> None:
        self._ages: list[Age] = []
        self._of_owner: dict[str, list[Age]] = defaultdict(list)
        self._by_priority: dict[str, dict[int, list[Age]]] = defaultdict(lambda: defaultdict(list))
        for owner, priority, created_at, job_id in rows:
            age = (created_at, job_id)
            self._ages.append(age)
            self._of_owner[owner].append(age)
            self._by_priority[owner][priority].append(age)

    def ahead_of(self, job: Job) -> int:
        """How many go before it."""
        owner, priority, age = job.owner_id, job.priority, (job.created_at, job.id)
        own = self._by_priority[owner]
        rather = [ages for other, ages in own.items() if other > priority]
        until = max([age, *(ages[-1] for ages in rather)])
        of_others = bisect_right(self._ages, until) - bisect_right(self._of_owner[owner], until)
        return of_others + sum(map(len, rather)) + bisect_left(own[priority], age)


def set_priority(session: Session, job_id: str, owner: str, priority: int) -> Job:
    """Let a job go before or after others of its owner; the same priority again changes nothing.

    Of a running job it counts once it is queued again.

    Raises:
        JobNotFound: there is no such job of this owner.
        JobEnded: it waits for nothing any more.
    """
    job = job_of(session, job_id, owner, lock=True)
    if job.state in TERMINAL:
        raise JobEnded(f"the job is {job.state}: a priority is for jobs that are queued or running")
    if job.priority != priority:
        body = {"from": job.priority, "to": priority}
        append(session, Job.id == job_id, "priority_changed", body, priority=priority)
    return job_of(session, job_id, owner)


def queued_ahead(jobs: FromClause, *ahead: ColumnElement[bool]) -> ScalarSelect[int]:
    """Queued rows of ``jobs`` that are ahead, ``MOST_AHEAD`` at most: a long queue is not read whole."""
    some = select(jobs.c.id).where(_queued(jobs), *ahead).limit(MOST_AHEAD).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


def ahead_of_the_newest(jobs: FromClause) -> ColumnElement[bool]:
    """Ahead of the newest job of all, which is of ``:its_owner`` and of ``:its_priority``."""
    return or_(jobs.c.owner_id != _OWNER, jobs.c.priority >= _PRIORITY)


def _queued(jobs: FromClause) -> ColumnElement[bool]:
    return jobs.c.state == literal_column(f"'{JobState.QUEUED}'", String)


_OWNER = bindparam("its_owner", type_=String)
_PRIORITY = bindparam("its_priority", type_=Integer)
_CREATED_AT = bindparam("its_created_at", type_=UtcTime())
_ID = bindparam("itself", type_=String)


def _ahead() -> Select[int]:
    """Made once: most requests for a job run it. Plain columns, so that no mapping is looked up."""
    jobs, preferred = Job.__table__, Job.__table__.alias()
    rather = select(preferred.c.created_at, preferred.c.id).where(
        _queued(preferred), preferred.c.owner_id == _OWNER, preferred.c.priority > _PRIORITY
    )
    itself = select(_CREATED_AT.label("created_at"), _ID.label("id"))
    waits_for = union_all(itself, select(rather.limit(MOST_AHEAD).subquery())).subquery()
    newest = select(waits_for.c.created_at, waits_for.c.id).order_by(
        waits_for.c.created_at.desc(), waits_for.c.id.desc()
    )
    age = tuple_(jobs.c.created_at, jobs.c.id)
    return select(
        queued_ahead(
            jobs,
            age <= newest.limit(1).scalar_subquery(),
            or_(
                jobs.c.owner_id != _OWNER,
                jobs.c.priority > _PRIORITY,
                and_(jobs.c.priority == _PRIORITY, age < tuple_(_CREATED_AT, _ID)),
            ),
        )
    )


_AHEAD = _ahead()
