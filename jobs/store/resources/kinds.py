"""Data sets and teachers as rows: what tells them apart, and who finds which by its id or name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from sqlalchemy import ColumnElement, Select, exists, or_, select
from sqlalchemy.orm import Session

from jobs.database.dialect import Now
from jobs.errors import DatasetNotReady, RecordError, ResourceNotFound, TeacherNotReady
from jobs.resource_state import DatasetState, TeacherState
from jobs.store.change import printable
from jobs.tables import Dataset, DatasetShare, Teacher, TeacherShare

R = TypeVar("R", Dataset, Teacher)
RESOURCE_REF = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""An id or a name."""
TaskKind = Literal["check_dataset", "verify_teacher"]


@dataclass(frozen=True)
class ResourceKind(Generic[R]):
    """What tells data sets and teachers apart in the record."""

    noun: str
    """For people."""
    path: Literal["datasets", "teachers"]
    """Of its routes, and of its keys in the store."""
    table: type[R]
    shares: type[DatasetShare] | type[TeacherShare]
    states: type[DatasetState] | type[TeacherState]
    task: TaskKind
    not_ready: type[RecordError]

    @property
    def audited(self) -> str:
        """How the audit log calls one."""
        return self.path.removesuffix("s")

    def key(self, resource_id: str, part: str = "content") -> str:
        """Of one of its files or trees in the store: ``content``, ``pack``, ``network.safetensors``."""
        return f"{self.path}/{resource_id}/{part}"


DATASET = ResourceKind(
    "data set", "datasets", Dataset, DatasetShare, DatasetState, "check_dataset", DatasetNotReady
)
TEACHER = ResourceKind(
    "teacher", "teachers", Teacher, TeacherShare, TeacherState, "verify_teacher", TeacherNotReady
)
PACK = "pack"
NETWORK = "network.safetensors"


def find_resource(
    session: Session,
    kind: ResourceKind[R],
    owner: str,
    named: str,
    *,
    shared: bool = False,
    lock: bool = False,
) -> R:
    """The data set or teacher of this id or name: the owner's own before one that is ``shared`` with them.

    Raises:
        ResourceNotFound: there is none, or the name is that of several that are shared.
    """
    table = kind.table
    own = _best(session, _named(table, named).where(table.owner_id == owner), lock)
    if own:
        return own[0]
    theirs = _best(session, _named(table, named).where(shared_with(kind, owner)), lock) if shared else []
    if len(theirs) > 1:
        raise ResourceNotFound(
            f"several owners share a {kind.noun} named {printable(named, 64)!r}; give its id"
        )
    if not theirs:
        raise ResourceNotFound(f"there is no {kind.noun} {printable(named, 64)!r}")
    return theirs[0]


def _named(table: type[R], named: str) -> Select[R]:
    return select(table).where(or_(table.id == named, table.name == named), living(table))


def _best(session: Session, found: Select[R], lock: bool) -> Sequence[R]:
    """Those that are not rejected, or else the one that was rejected last."""
    statement = found.execution_options(populate_existing=True)
    rows = session.execute(statement.with_for_update() if lock else statement).scalars().all()
    usable_ones = [row for row in rows if row.state != DatasetState.REJECTED]
    return usable_ones or sorted(rows, key=lambda row: row.created_at, reverse=True)[:1]


def living(table: type[Dataset] | type[Teacher]) -> ColumnElement[bool]:
    """Not one whose bytes have not come in time."""
    return or_(
        table.state != DatasetState.RECEIVING, table.expires_at > Now(), table.sender_expires_at > Now()
    )


def shared_with(kind: ResourceKind[R], owner: str) -> ColumnElement[bool]:
    """Somebody else's that is shared with ``owner``."""
    return exists().where(kind.shares.resource_id == kind.table.id, kind.shares.owner_id == owner)
