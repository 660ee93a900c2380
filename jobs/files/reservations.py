"""The place of a network that is being uploaded. One that nobody renews goes to others after a while."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from jobs.database.dialect import FromNow
from jobs.files.places import UPLOADS, demand_room, hold_places, room_of
from jobs.settings import Settings
from jobs.store.quotas.limits import bytes_left, demand_bytes, limits_of
from jobs.store.submit import new_id
from jobs.tables import UploadReservation

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
        QuotaExceeded: the owner's limit on all stored bytes.
        StorageFull: less than ``CARTL_MIN_FREE_BYTES`` would be left.
    """
    hold_places(session)
    room = room_of(session, settings, UPLOADS, owner)
    limits = limits_of(session, owner, settings.owner_limits)
    left = bytes_left(session, owner, limits)
    size = declared or min(settings.max_upload_bytes, room, *([] if left is None else [max(1, left)]))
    demand_bytes(session, owner, limits, size)
    demand_room(session, settings, UPLOADS, size, room)
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
    hold_places(session)
    release(session, reservation)
    room_of(session, settings, UPLOADS, reservation.owner)
