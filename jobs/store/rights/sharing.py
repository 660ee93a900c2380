"""Showing a job, a data set or a teacher to somebody else. Its owner names whom, and may take it back.

Nothing is shared otherwise. Whether a reader exists is neither checked nor told.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from jobs.database.dialect import insert_if_new
from jobs.errors import TooManyShares
from jobs.store.change import job_of
from jobs.store.resources.kinds import R, ResourceKind, find_resource
from jobs.tables import DatasetShare, JobShare, TeacherShare

MOST_SHARES = 100
"""Owners whom one job, data set or teacher may be shown to."""

Shared = InstrumentedAttribute[str]
"""The column that names what is shared: of ``JobShare``, ``DatasetShare`` or ``TeacherShare``."""


def share(session: Session, job_id: str, owner: str, *, reader: str) -> None:
    """Let ``reader`` see the job: its report, files, events and log, now and later. Twice does no harm.

    Stages, teachers among them, are not shared: a job of the reader's computes its own.

    Raises:
        JobNotFound: there is no such job of this owner.
        TooManyShares: it is shown to ``MOST_SHARES`` others already.
    """
    job_of(session, job_id, owner, lock=True)
    _show(session, JobShare.job_id, job_id, owner, reader)


def unshare(session: Session, job_id: str, owner: str, *, reader: str) -> None:
    """Let ``reader`` see the job no more. Of one who never did, too.

    Raises:
        JobNotFound: there is no such job of this owner.
    """
    job_of(session, job_id, owner)
    _hide(session, JobShare.job_id, job_id, reader)


def readers(session: Session, job_id: str, owner: str) -> Sequence[str]:
    """Whom the job is shared with, by name.

    Raises:
        JobNotFound: there is no such job of this owner.
    """
    job_of(session, job_id, owner)
    return _readers(session, JobShare.job_id, job_id)


def share_resource(session: Session, kind: ResourceKind[R], named: str, owner: str, *, reader: str) -> str:
    """Let ``reader`` see the data set or teacher, and name it in jobs; its id. Twice does no harm.

    Raises:
        ResourceNotFound: there is none of this owner.
        TooManyShares: it is shown to ``MOST_SHARES`` others already.
    """
    found = find_resource(session, kind, owner, named, lock=True)
    _show(session, kind.shares.resource_id, found.id, owner, reader)
    return found.id


def unshare_resource(session: Session, kind: ResourceKind[R], named: str, owner: str, *, reader: str) -> str:
    """Let ``reader`` see it no more; jobs of theirs that name it go on. Its id.

    Raises:
        ResourceNotFound: there is none of this owner.
    """
    found = find_resource(session, kind, owner, named)
    _hide(session, kind.shares.resource_id, found.id, reader)
    return found.id


def readers_of_resource(session: Session, kind: ResourceKind[R], named: str, owner: str) -> Sequence[str]:
    """Whom the data set or teacher is shared with, by name.

    Raises:
        ResourceNotFound: there is none of this owner.
    """
    return _readers(session, kind.shares.resource_id, find_resource(session, kind, owner, named).id)


def _show(session: Session, what: Shared, shared_id: str, owner: str, reader: str) -> None:
    """Call it under a lock of what is shared, so that the limit is exact."""
    others = _readers(session, what, shared_id)
    if reader == owner or reader in others:
        return
    if len(others) >= MOST_SHARES:
        raise TooManyShares(f"it is shared with {len(others)} owners; allowed: at most {MOST_SHARES}")
    insert_if_new(session, _table(what), **{what.key: shared_id, "owner_id": reader})


def _hide(session: Session, what: Shared, shared_id: str, reader: str) -> None:
    table = _table(what)
    session.execute(delete(table).where(what == shared_id, table.owner_id == reader))


def _readers(session: Session, what: Shared, shared_id: str) -> Sequence[str]:
    owner_id = _table(what).owner_id
    return session.execute(select(owner_id).where(what == shared_id).order_by(owner_id)).scalars().all()


def _table(what: Shared) -> type[JobShare] | type[DatasetShare] | type[TeacherShare]:
    return next(table for table in (JobShare, DatasetShare, TeacherShare) if table is what.class_)
