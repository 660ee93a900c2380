"""Room for what people send, before its first byte is read: in number, in bytes of its owner, on the disk.

Places are given one at a time, so that the limits are exact however many begin at once, through however many
processes. Each kind of content counts by its own ledger; the disk is shared by all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, or_, select
from sqlalchemy.orm import Session

from jobs.database.advisory_locks import wait_for
from jobs.database.dialect import Now
from jobs.errors import NoSpace, StorageFull, TooManyUploads
from jobs.files.space import free_bytes
from jobs.resource_state import DatasetState
from jobs.settings import Settings
from jobs.tables import Dataset, Teacher, Upload, UploadReservation

LOCK = "uploads"


@dataclass(frozen=True)
class Ledger:
    """How one kind of content is counted, and how much of it one owner may have."""

    plural: str
    """For people."""
    size: Any
    """The column of bytes of what is kept."""
    kept: ColumnElement[bool]
    coming_size: Any
    """The column of bytes of what is under way."""
    coming: ColumnElement[bool]
    most: Callable[[Settings], int]
    most_bytes: Callable[[Settings], int]
    full: type[StorageFull]

    def kept_by(self, owner: str) -> Select[int, int]:
        """How many are kept, and their bytes."""
        return _counted(self.size).where(self.kept, self.size.class_.owner_id == owner)

    def coming_of(self, owner: str) -> Select[int, int]:
        """How many are under way, and the bytes that may come."""
        return _counted(self.coming_size).where(self.coming, self.coming_size.class_.owner_id == owner)


def _counted(size: Any) -> Select[int, int]:
    return select(func.count(), func.coalesce(func.sum(size), 0))


def _of_resources(
    table: type[Dataset] | type[Teacher],
    plural: str,
    most: Callable[[Settings], int],
    most_bytes: Callable[[Settings], int],
) -> Ledger:
    receiving = table.state == DatasetState.RECEIVING
    return Ledger(plural, table.size, ~receiving, table.size, receiving, most, most_bytes, NoSpace)


UPLOADS = Ledger(
    "uploads",
    Upload.size,
    Upload.id.is_not(None),
    UploadReservation.size,
    UploadReservation.expires_at > Now(),
    lambda settings: settings.max_uploads_per_owner,
    lambda settings: settings.max_upload_bytes_per_owner,
    StorageFull,
)
DATASET_LEDGER = _of_resources(
    Dataset, "data sets", lambda s: s.max_datasets_per_owner, lambda s: s.max_dataset_bytes_per_owner
)
TEACHER_LEDGER = _of_resources(
    Teacher, "teachers", lambda s: s.max_teachers_per_owner, lambda s: s.max_teacher_bytes_per_owner
)
LEDGERS = (UPLOADS, DATASET_LEDGER, TEACHER_LEDGER)


def hold_places(session: Session) -> None:
    """Be the only one who gives places until the transaction ends; those that have expired are free."""
    wait_for(session, LOCK)
    forget_expired(session)


def forget_expired(session: Session) -> int:
    """Delete the places of contents that have not come in time; how many of data sets and teachers."""
    session.execute(delete(UploadReservation).where(UploadReservation.expires_at <= Now()))
    gone = 0
    for table in (Dataset, Teacher):
        expired = (
            table.state == DatasetState.RECEIVING,
            table.expires_at <= Now(),
            or_(table.sender.is_(None), table.sender_expires_at <= Now()),
        )
        statement = delete(table).where(*expired).returning(table.id)
        gone += len(session.execute(statement.execution_options(synchronize_session=False)).all())
    return gone


def room_of(session: Session, settings: Settings, ledger: Ledger, owner: str) -> int:
    """Bytes that the owner may still send, once ``hold_places`` was called.

    Raises:
        TooManyUploads: no further one may be kept.
    """
    (kept_count, kept_bytes), (coming_count, coming_bytes) = (
        session.execute(statement).one() for statement in (ledger.kept_by(owner), ledger.coming_of(owner))
    )
    count, most = kept_count + coming_count, ledger.most(settings)
    if count >= most:
        raise TooManyUploads(
            f"{kept_count} {ledger.plural} are kept and {coming_count} under way; allowed: at most {most}",
            kept=kept_count,
            allowed=most,
        )
    return max(0, ledger.most_bytes(settings) - int(kept_bytes) - int(coming_bytes))


def demand_room(session: Session, settings: Settings, ledger: Ledger, size: int, room: int) -> None:
    """See that ``size`` bytes fit into the owner's ``room`` and onto the disk.

    Raises:
        TooManyUploads: the owner's limit on bytes.
        StorageFull: less than ``CARTL_MIN_FREE_BYTES`` would be left.
    """
    allowed = ledger.most_bytes(settings)
    if size > room:
        raise TooManyUploads(
            f"{size} bytes are too many: {room} of {allowed} are left", left=room, allowed=allowed
        )
    coming = sum(session.execute(_counted(each.coming_size).where(each.coming)).one()[1] for each in LEDGERS)
    here = settings.cache_dir if settings.store else settings.artifacts_dir
    if free_bytes(here) - coming - size < settings.min_free_bytes:
        raise ledger.full("There is too little room on the disk for this upload.")
