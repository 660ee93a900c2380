"""What retention lets go of data sets and teachers: places that nobody filled, and what was rejected."""

from __future__ import annotations

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from jobs.database.dialect import FromNow
from jobs.files.places import forget_expired
from jobs.resource_state import DatasetState
from jobs.store.resources.kinds import DATASET, TEACHER

REJECTED_CONTENT_DAYS = 1.0
"""The bytes of what was rejected are kept so long: for a person to look why."""
DAY = 86_400.0


def forget_resources(session: Session, days: float) -> int:
    """Delete the rows of expired places, and of what was rejected so many days ago; how many.

    The row of what was rejected later stays, with its reason; after a day it names no bytes any more.
    """
    gone = forget_expired(session)
    for table in (DATASET.table, TEACHER.table):
        rejected = table.state == DatasetState.REJECTED
        old = delete(table).where(rejected, table.updated_at <= FromNow(-DAY * days)).returning(table.id)
        gone += len(session.execute(old.execution_options(synchronize_session=False)).all())
        looked_at = update(table).where(rejected, table.updated_at <= FromNow(-DAY * REJECTED_CONTENT_DAYS))
        session.execute(looked_at.values(content=None, size=0).execution_options(synchronize_session=False))
    return gone


def needed_trees(session: Session) -> set[str]:
    """The trees of bytes that rows name, as keys of the store."""
    trees: set[str] = set()
    for kind in (DATASET, TEACHER):
        table = kind.table
        named = or_(table.state != DatasetState.REJECTED, table.content.is_not(None))
        trees |= {
            f"{kind.path}/{resource_id}" for resource_id in session.scalars(select(table.id).where(named))
        }
    return trees
