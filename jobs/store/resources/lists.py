"""What a person sees of data sets and teachers, and deletes: pages of them, and whether one is in use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, String, Text, and_, cast, literal, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from jobs.database.dialect import UtcTime
from jobs.errors import ResourceInUse
from jobs.resource_state import TeacherState
from jobs.state import JobState
from jobs.store.change import is_in
from jobs.store.resources.kinds import R, ResourceKind, find_resource, living, shared_with
from jobs.store.tasks import cancel_tasks
from jobs.tables import Dataset, Job, Stage, Teacher

Place = tuple[datetime, str]
"""Where a page ended: time and id of its last row."""


def page_of(
    session: Session, kind: ResourceKind[R], owner: str, *, shared: bool, after: Place | None, limit: int
) -> Sequence[R]:
    """At most ``limit`` data sets or teachers of ``owner``, or shared with them, newest first."""
    table = kind.table
    whose = shared_with(kind, owner) if shared else table.owner_id == owner
    wanted = [whose, living(table)]
    if after is not None:
        wanted.append(_older(table.created_at, table.id, after))
    newest_first = select(table).where(*wanted).order_by(table.created_at.desc(), table.id.desc())
    return session.execute(newest_first.limit(limit)).scalars().all()


def trained_teachers(session: Session, owner: str, *, after: Place | None, limit: int) -> Sequence[Stage]:
    """At most ``limit`` teachers that jobs of ``owner`` train or have trained, newest first."""
    wanted = [Stage.owner_id == owner, Stage.kind == "pretrain"]
    if after is not None:
        wanted.append(_older(Stage.created_at, Stage.digest, after))
    newest_first = select(Stage).where(*wanted).order_by(Stage.created_at.desc(), Stage.digest.desc())
    return session.execute(newest_first.limit(limit)).scalars().all()


def trained_teacher(session: Session, owner: str, digest: str) -> Stage | None:
    """The teacher of this digest that a job of ``owner`` trains or has trained."""
    found = session.get(Stage, (owner, digest))
    return found if found is not None and found.kind == "pretrain" else None


def _older(
    created_at: InstrumentedAttribute[datetime], row: InstrumentedAttribute[str], after: Place
) -> ColumnElement[bool]:
    return tuple_(created_at, row) < tuple_(literal(after[0], UtcTime()), literal(after[1], String()))


def forget(session: Session, kind: ResourceKind[R], owner: str, named: str) -> str:
    """Delete the row and its tasks; returns the tree of its bytes in the store, to be deleted once that is
    committed.

    Raises:
        ResourceNotFound: there is none of this owner.
        ResourceInUse: a job that names it is queued or running, or a teacher is verified on it.
    """
    resource_id = find_resource(session, kind, owner, named).id
    # As a worker that stores a result does: the task first, or each would wait for the other.
    cancel_tasks(session, resource_id)
    row = find_resource(session, kind, owner, resource_id, lock=True)
    user = _user_of(session, kind, row)
    if user is not None:
        raise ResourceInUse(f"{kind.noun} {row.name!r} is in use: {user} names it and has not ended")
    session.delete(row)
    session.flush()
    return f"{kind.path}/{row.id}"


def _user_of(session: Session, kind: ResourceKind[R], row: R) -> str | None:
    """The job or teacher that needs it now. Jobs of those whom it is shared with count, too.

    A specification may name it in several places, so its id is looked for in the whole of it: a random id
    stands nowhere by chance.
    """
    unfinished = or_(is_in(Job, JobState.QUEUED), is_in(Job, JobState.RUNNING))
    jobs = select(Job.id).where(unfinished, cast(Job.spec, Text).contains(row.id, autoescape=True))
    job = session.execute(jobs.limit(1)).scalar_one_or_none()
    if job is not None:
        return f"job {job}"
    if kind.table is not Dataset:
        return None
    named = Teacher.asked["verify"]["dataset"].as_string()
    awaited = Teacher.state.in_((TeacherState.RECEIVING, TeacherState.CHECKING))
    by_name = and_(named == row.name, Teacher.owner_id == row.owner_id)
    verified = select(Teacher.name).where(awaited, living(Teacher), or_(named == row.id, by_name))
    teacher = session.execute(verified.limit(1)).scalar_one_or_none()
    return None if teacher is None else f"teacher {teacher!r}"
