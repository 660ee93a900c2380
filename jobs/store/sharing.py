"""Showing a job to somebody else: its owner names whom, and may take it back. Nothing is shared otherwise."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from jobs.database.dialect import insert_if_new
from jobs.errors import TooManyShares
from jobs.store.change import job_of
from jobs.tables import JobShare

MOST_SHARES = 100
"""Owners whom one job may be shown to."""


def share(session: Session, job_id: str, owner: str, *, reader: str) -> None:
    """Let ``reader`` see the job: its report, files, events and log, now and later. Twice does no harm.

    Whether ``reader`` exists is neither checked nor told. Stages, teachers among them, are not shared:
    a job of the reader's computes its own.

    Raises:
        JobNotFound: there is no such job of this owner.
        TooManyShares: it is shown to ``MOST_SHARES`` others already.
    """
    job_of(session, job_id, owner, lock=True)
    others = readers(session, job_id, owner)
    if reader != owner and reader not in others:
        if len(others) >= MOST_SHARES:
            raise TooManyShares(
                f"the job is shared with {len(others)} owners; allowed: at most {MOST_SHARES}"
            )
        insert_if_new(session, JobShare, job_id=job_id, owner_id=reader)


def unshare(session: Session, job_id: str, owner: str, *, reader: str) -> None:
    """Let ``reader`` see the job no more. Of one who never did, too.

    Raises:
        JobNotFound: there is no such job of this owner.
    """
    job_of(session, job_id, owner)
    session.execute(delete(JobShare).where(JobShare.job_id == job_id, JobShare.owner_id == reader))


def readers(session: Session, job_id: str, owner: str) -> Sequence[str]:
    """Whom the job is shared with, by name.

    Raises:
        JobNotFound: there is no such job of this owner.
    """
    job_of(session, job_id, owner)
    shared = select(JobShare.owner_id).where(JobShare.job_id == job_id).order_by(JobShare.owner_id)
    return session.execute(shared).scalars().all()
