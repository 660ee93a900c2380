"""A place for an upload before its first byte is read: in number, in bytes of its owner, on the disk.

Places are given one at a time, so that the limits are exact however many uploads begin at once, through
however many processes. A place that nobody renews is given to others after ``EXPIRY_SECONDS``.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from jobs.database.advisory_locks import wait_for
from jobs.database.dialect import FromNow, Now
from jobs.errors import StorageFull, TooManyUploads
from jobs.files.space import free_bytes
from jobs.settings import Settings
from jobs.store.submit import new_id
from jobs.tables import Upload, UploadReservation

LOCK = "uploads"
EXPIRY_SECONDS = 120.0
RENEW_SECONDS = 30.0


@dataclass(frozen=True)
class Reservation:
    """Room for one upload of at most ``size`` bytes."""

    id: str
    owner: str
    size: int


def reserve(session: Session, settings: Settings, owner: str, declared: int) -> Reservation:
    """Take a place for an upload of ``declared`` bytes; 0 where its sender does not say how many.

    Raises:
        TooManyUploads: the owner's limit on uploads or on their bytes.
        StorageFull: less than ``CARTL_MIN_FREE_BYTES`` would be left.
    """
    wait_for(session, LOCK)
    session.execute(delete(UploadReservation).where(UploadReservation.expires_at <= Now()))
    room = _room_of(session, settings, owner)
    size = declared or min(settings.max_upload_bytes, room)
    if size > room:
        raise TooManyUploads(
            f"{size} bytes are too many: {room} of {settings.max_upload_bytes_per_owner} are left",
            left=room,
            allowed=settings.max_upload_bytes_per_owner,
        )
    coming = session.scalar(select(func.coalesce(func.sum(UploadReservation.size), 0))) or 0
    if free_bytes(settings.artifacts_dir) - coming - size < settings.min_free_bytes:
        raise StorageFull("There is too little room on the disk for this upload.")
    made = Reservation(id=new_id(), owner=owner, size=size)
    session.add(
        UploadReservation(id=made.id, owner_id=owner, size=made.size, expires_at=FromNow(EXPIRY_SECONDS))
    )
    session.flush()
    return made


def renew(session: Session, reservation: Reservation) -> None:
    """The upload goes on."""
    mine = update(UploadReservation).where(UploadReservation.id == reservation.id)
    session.execute(mine.values(expires_at=FromNow(EXPIRY_SECONDS)))


def release(session: Session, reservation: Reservation) -> None:
    """The upload broke off; others may have its place."""
    session.execute(delete(UploadReservation).where(UploadReservation.id == reservation.id))


def take(session: Session, settings: Settings, reservation: Reservation) -> None:
    """The upload is complete: its place becomes that of the row which this transaction writes.

    Raises:
        TooManyUploads: the place had expired, and others have taken it.
    """
    wait_for(session, LOCK)
    release(session, reservation)
    _room_of(session, settings, reservation.owner)


def _room_of(session: Session, settings: Settings, owner: str) -> int:
    """Bytes that the owner may still upload.

    Raises:
        TooManyUploads: no further upload may be kept.
    """
    kept = select(func.count(), func.coalesce(func.sum(Upload.size), 0)).where(Upload.owner_id == owner)
    coming = select(func.count(), func.coalesce(func.sum(UploadReservation.size), 0)).where(
        UploadReservation.owner_id == owner, UploadReservation.expires_at > Now()
    )
    (kept_count, kept_bytes), (coming_count, coming_bytes) = (
        session.execute(statement).one() for statement in (kept, coming)
    )
    count, most = kept_count + coming_count, settings.max_uploads_per_owner
    if count >= most:
        raise TooManyUploads(
            f"{kept_count} uploads are kept and {coming_count} under way; allowed: at most {most}",
            kept=kept_count,
            allowed=most,
        )
    return max(0, settings.max_upload_bytes_per_owner - int(kept_bytes) - int(coming_bytes))
