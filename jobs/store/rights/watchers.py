"""Rights that last: whether those who watch jobs may still see them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from jobs.store.rights.keys import counts
from jobs.tables import ApiKey, Job, JobShare

BATCH = 500
"""Ids in one query."""


@dataclass(frozen=True)
class Watcher:
    """Somebody who was let in to see a job."""

    job_id: str
    owner: str
    key_id: str | None
    """Of the key that let them in; None for this machine's own user, where no key is asked for."""


def still_allowed(
    session: Session, watchers: Collection[Watcher], *, require_key: bool
) -> frozenset[Watcher]:
    """Those whose key counts, and whose job is theirs or shared with them, now.

    Args:
        session: for reading; three queries for each ``BATCH`` of ids.
        watchers: who were let in.
        require_key: a key is asked for even where none was ever made.
    """
    keys = _keys_that_count(session, {one.key_id for one in watchers if one.key_id is not None})
    readers = _readers(session, {one.job_id for one in watchers})
    without = any(one.key_id is None for one in watchers) and not require_key and not _ever_had_a_key(session)
    return frozenset(
        one
        for one in watchers
        if (one.job_id, one.owner) in readers and (without if one.key_id is None else one.key_id in keys)
    )


def _keys_that_count(session: Session, ids: set[str]) -> set[str]:
    return {
        found
        for batch in _batches(ids)
        for found in session.scalars(select(ApiKey.id).where(ApiKey.id.in_(batch), counts()))
    }


def _readers(session: Session, jobs: set[str]) -> set[tuple[str, str]]:
    """Jobs with those who may see them."""
    found: set[tuple[str, str]] = set()
    for batch in _batches(jobs):
        owners = select(Job.id, Job.owner_id).where(Job.id.in_(batch))
        shares = select(JobShare.job_id, JobShare.owner_id).where(JobShare.job_id.in_(batch))
        for statement in (owners, shares):
            found.update((job_id, owner) for job_id, owner in session.execute(statement))
    return found


def _ever_had_a_key(session: Session) -> bool:
    return bool(session.scalar(select(exists().select_from(ApiKey))))


def _batches(ids: set[str]) -> Iterator[list[str]]:
    every = sorted(ids)
    return (every[start : start + BATCH] for start in range(0, len(every), BATCH))
