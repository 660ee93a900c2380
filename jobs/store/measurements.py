"""Every measurement of one network: the job that made it, and those that measured it later.

They are linked by the SHA-256 of the network's file, which an evaluation has in its specification and a
student among its job's artifacts. No table holds the link: a job that is deleted takes its row with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, Text, bindparam, case, cast, or_, select
from sqlalchemy.orm import Session

from jobs.errors import JobNotFound
from jobs.files.network_files import STUDENT
from jobs.state import JobState
from jobs.store.change import printable, seen_by
from jobs.store.submit import GIVEN
from jobs.tables import Artifact, Job

MOST = 100
"""Measurements that are told of one network, the oldest first."""
OLDEST_FIRST = (Job.finished_at, Job.id)


@dataclass(frozen=True)
class StoredReport:
    """The report of a job as the database has it, and what links it to other measurements.

    Attributes:
        report: as JSON text; None before the run has reported anything.
        network: SHA-256 of the file of the job's network; None where it has none yet.
    """

    job_id: str
    owner_id: str
    finished_at: datetime | None
    report: str | None
    network: str | None


_NETWORK: ColumnElement[str | None] = case(
    (Job.method == GIVEN, Job.spec["network"]["sha256"].as_string()),
    else_=select(Artifact.sha256)
    .where(Artifact.job_id == Job.id, Artifact.name == STUDENT)
    .correlate(Job)
    .scalar_subquery(),
)
_COLUMNS = (Job.id, Job.owner_id, Job.finished_at, cast(Job.report, Text), _NETWORK)
# Made once: most requests for a report run it.
_STORED = select(*_COLUMNS).where(
    Job.id == bindparam("job_id", type_=String), seen_by(bindparam("owner", type_=String))
)


def stored_report(session: Session, job_id: str, owner: str) -> StoredReport:
    """The report of a job, where there is one.

    Raises:
        JobNotFound: there is none that this owner may see.
    """
    found = session.execute(_STORED, {"job_id": job_id, "owner": owner}).one_or_none()
    if found is None:
        raise JobNotFound(f"there is no job {printable(job_id)!r}", job_id=job_id)
    return StoredReport(*found)


def other_measurements(session: Session, stored: StoredReport) -> Sequence[StoredReport]:
    """Of the other jobs of the same owner that have measured this network to the end, oldest first."""
    if stored.network is None:
        return ()
    wanted = select(*_COLUMNS).where(*_others(stored)).order_by(*OLDEST_FIRST).limit(MOST)
    return [StoredReport(*row) for row in session.execute(wanted)]


def other_specs(session: Session, stored: StoredReport) -> Sequence[dict[str, Any]]:
    """The specifications of the same jobs."""
    if stored.network is None:
        return ()
    wanted = select(Job.spec).where(*_others(stored)).order_by(*OLDEST_FIRST).limit(MOST)
    return session.execute(wanted).scalars().all()


def _others(stored: StoredReport) -> tuple[ColumnElement[bool], ...]:
    """The evaluations of one owner are looked through, by the index on owner and method."""
    made_it = select(Artifact.job_id).where(Artifact.name == STUDENT, Artifact.sha256 == stored.network)
    measured_it: ColumnElement[bool] = Job.spec["network"]["sha256"].as_string() == stored.network
    return (
        Job.owner_id == stored.owner_id,
        Job.id != stored.job_id,
        Job.state == JobState.SUCCEEDED,
        or_((Job.method == GIVEN) & measured_it, Job.id.in_(made_it)),
    )
