"""Every measurement of one network: the job that made it, and those that measured it later.

They are linked by the SHA-256 of the network's file, which an evaluation has in its specification and a
student among its job's artifacts. No table holds the link: a job that is deleted takes its row with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session, defer

from jobs.files.network_files import STUDENT
from jobs.state import JobState
from jobs.store.submit import GIVEN
from jobs.tables import Artifact, Job

MOST = 100
"""Measurements that are told of one network, the oldest first."""


def network_digest(session: Session, job: Job) -> str | None:
    """SHA-256 of the file of the job's network; None where it has none yet."""
    if job.method == GIVEN:
        digest: str | None = job.spec["network"]["sha256"]
        return digest
    wanted = select(Artifact.sha256).where(Artifact.job_id == job.id, Artifact.name == STUDENT)
    return session.execute(wanted).scalar_one_or_none()


def measurements_of(session: Session, job: Job) -> Sequence[Job]:
    """The jobs of the same owner that have measured the network of ``job`` to the end, oldest first.

    The evaluations of one owner are looked through, by the index on owner and method.
    """
    digest = network_digest(session, job)
    if digest is None:
        return ()
    made_it = select(Artifact.job_id).where(Artifact.name == STUDENT, Artifact.sha256 == digest)
    measured_it: ColumnElement[bool] = Job.spec["network"]["sha256"].as_string() == digest
    wanted = (
        select(Job)
        .where(
            Job.owner_id == job.owner_id,
            Job.state == JobState.SUCCEEDED,
            or_((Job.method == GIVEN) & measured_it, Job.id.in_(made_it)),
        )
        .options(defer(Job.request))
        .order_by(Job.finished_at, Job.id)
        .limit(MOST)
    )
    return session.execute(wanted).scalars().all()
