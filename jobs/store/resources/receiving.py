"""How a data set or a teacher comes: announced, its bytes sent by one request at a time, then checked.

The row is the reservation. While bytes come their sender renews it; a sender that is not heard of for
``SENDER_SECONDS`` has gone, and another request may send all of it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from cartl_core.spec.datasets import DATASETS
from cartl_core.spec.resources.dataset import NewDataset
from cartl_core.spec.resources.teacher import NewTeacher
from jobs.database.dialect import FromNow, Now
from jobs.errors import NameTaken, NotReceiving, ResourceNotFound
from jobs.files.places import DATASET_LEDGER, TEACHER_LEDGER, demand_room, hold_places, room_of
from jobs.resource_state import DatasetState, TeacherState
from jobs.settings import Settings
from jobs.store.change import plain
from jobs.store.quotas.limits import demand_bytes, limits_of
from jobs.store.resources.kinds import R, ResourceKind, find_resource
from jobs.store.resources.record import move
from jobs.store.submit import new_id
from jobs.store.tasks import add_task
from jobs.tables import Dataset

SENDER_SECONDS = 120.0
RENEW_SECONDS = 30.0
LEDGERS = {"datasets": DATASET_LEDGER, "teachers": TEACHER_LEDGER}


@dataclass(frozen=True)
class Folder:
    """A folder of the server that is a data set: its path and its stamp, see ``jobs.files.root_folders``."""

    path: str
    stamp: str


@dataclass(frozen=True)
class Sending(Generic[R]):
    """The right of one request to send the bytes."""

    kind: ResourceKind[R]
    id: str
    token: str
    size: int
    """Bytes that were announced."""

    @property
    def key(self) -> str:
        """Of the content in the store."""
        return self.kind.key(self.id)


def announce(
    session: Session,
    settings: Settings,
    kind: ResourceKind[R],
    owner: str,
    new: NewDataset | NewTeacher,
    folder: Folder | None = None,
) -> tuple[R, bool]:
    """Write the row of a new data set or teacher, and True; or give that of the same one if it is awaited.

    A folder of the server is checked at once, bytes are awaited.

    Raises:
        NameTaken: the owner has one of this name, or the catalog does.
        TooManyUploads: the owner's limit on their number or their bytes.
        QuotaExceeded: the owner's limit on all stored bytes.
        NoSpace: too little would be left on the disk.
    """
    if new.name in DATASETS:
        raise NameTaken(f"{new.name!r} is a data set of the catalog; choose another name")
    hold_places(session)
    known = _of_this_name(session, kind, owner, new.name)
    if known is not None:
        return _awaited(session, settings, kind, known, new), False
    size = new.size or 0
    ledger = LEDGERS[kind.path]
    demand_bytes(session, owner, limits_of(session, owner, settings.owner_limits), size)
    demand_room(session, settings, ledger, size, room_of(session, settings, ledger, owner))
    columns: dict[str, Any] = {"state": DatasetState.RECEIVING, "expires_at": _expiry(settings)}
    if folder is not None:
        columns = {"state": DatasetState.CHECKING, "root": folder.path, "root_stamp": folder.stamp}
    row = kind.table(
        id=new_id(),
        owner_id=owner,
        name=new.name,
        origin="upload" if folder is None else "root",
        asked=plain(new),
        size=size,
        **columns,
    )
    session.add(row)
    session.flush()
    if folder is not None:
        add_task(session, kind.task, row.id, owner)
    session.refresh(row)
    return row, True


def _of_this_name(session: Session, kind: ResourceKind[R], owner: str, name: str) -> R | None:
    mine = kind.table.owner_id == owner, kind.table.name == name
    taken = select(kind.table).where(*mine, kind.table.state != DatasetState.REJECTED)
    return session.execute(taken).scalar_one_or_none()


def _awaited(
    session: Session, settings: Settings, kind: ResourceKind[R], known: R, new: NewDataset | NewTeacher
) -> R:
    """The row itself where it is what was announced before, and still to come; its place is kept longer."""
    waits = known.state == DatasetState.RECEIVING or (
        isinstance(known, Dataset) and known.root is not None and known.state == DatasetState.CHECKING
    )
    if not waits or type(new).model_validate(known.asked, strict=False) != new:
        raise NameTaken(f"you have a {kind.noun} {known.name!r}; delete it first, or choose another name")
    if known.state == DatasetState.RECEIVING:
        known.expires_at = _expiry(settings)
        session.flush()
        session.refresh(known)
    return known


def _expiry(settings: Settings) -> FromNow:
    return FromNow(settings.receive_seconds)


def begin(session: Session, settings: Settings, kind: ResourceKind[R], owner: str, named: str) -> Sending[R]:
    """Be the one request that sends the bytes.

    Raises:
        ResourceNotFound: there is none of this owner, or its bytes did not come in time.
        NotReceiving: they are here already, or another request sends them.
    """
    row = find_resource(session, kind, owner, named)
    sending = Sending(kind, row.id, new_id(), row.size)
    table = kind.table
    free = or_(table.sender.is_(None), table.sender_expires_at <= Now())
    taken = session.execute(
        update(table)
        .where(table.id == row.id, table.state == DatasetState.RECEIVING, free)
        .values(sender=sending.token, **_renewed(settings))
        .returning(table.id)
        .execution_options(synchronize_session=False)
    )
    if taken.one_or_none() is None:
        sent = row.state == DatasetState.RECEIVING
        why = (
            "another request is sending its bytes"
            if sent
            else f"its bytes are here already; it is {row.state}"
        )
        raise NotReceiving(f"{kind.noun} {row.name!r} takes no content: {why}")
    return sending


def keep(session: Session, settings: Settings, sending: Sending[R]) -> None:
    """Bytes come.

    Raises:
        ResourceNotFound: it was deleted, or another request sends it now.
    """
    kept = session.execute(
        update(sending.kind.table)
        .where(*_sent_by(sending))
        .values(**_renewed(settings))
        .returning(sending.kind.table.id)
        .execution_options(synchronize_session=False)
    )
    if kept.one_or_none() is None:
        raise _gone(sending)


def break_off(session: Session, sending: Sending[R]) -> None:
    """The bytes did not come to their end: they may be sent again until the place expires."""
    session.execute(
        update(sending.kind.table)
        .where(*_sent_by(sending))
        .values(sender=None, sender_expires_at=None)
        .execution_options(synchronize_session=False)
    )


def finish(session: Session, sending: Sending[R], sha256: str) -> R:
    """The last byte is here: the row waits for a check, whose task is queued. Publish the content next.

    Raises:
        ResourceNotFound: it was deleted, or another request sends it now.
    """
    kind = sending.kind
    moved = move(
        session,
        kind,
        sending.id,
        kind.states(TeacherState.CHECKING.value),
        kind.table.sender == sending.token,
        sha256=sha256,
        content=sending.key,
        expires_at=None,
        sender=None,
        sender_expires_at=None,
    )
    if not moved:
        raise _gone(sending)
    row = session.get_one(kind.table, sending.id, populate_existing=True)
    add_task(session, kind.task, row.id, row.owner_id)
    return row


def _renewed(settings: Settings) -> dict[str, Any]:
    return {"sender_expires_at": FromNow(SENDER_SECONDS), "expires_at": _expiry(settings)}


def _sent_by(sending: Sending[R]) -> tuple[Any, ...]:
    return sending.kind.table.id == sending.id, sending.kind.table.sender == sending.token


def _gone(sending: Sending[R]) -> ResourceNotFound:
    return ResourceNotFound(f"the {sending.kind.noun} was deleted while its bytes came, or is sent anew")
