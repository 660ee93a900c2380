"""Networks that people upload: written whole or not at all, told by their header, their owner's alone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from cartl_core.catalog.network_file import NetworkFile, inspect
from cartl_core.storage.store import Pending
from jobs.database.dialect import FromNow
from jobs.errors import UploadInUse, UploadNotFound
from jobs.files.reservations import Reservation, take
from jobs.settings import Settings
from jobs.state import JobState
from jobs.store.change import locked
from jobs.store.submit import new_id
from jobs.tables import Job, Upload

FOLDER = "uploads"
"""Below the artifacts directory, where jobs' directories are named by their ids."""


def inspect_upload(incoming: Pending) -> NetworkFile:
    """All of it is here: make it last, and see what it says of itself.

    Raises:
        SpecError: it is no network.
    """
    incoming.finish()
    return inspect(incoming.path, field="body")


def store_upload(
    session: Session, settings: Settings, incoming: Pending, found: NetworkFile, reservation: Reservation
) -> Upload:
    """Write the row and give the file its name; a row that is not committed leaves a file for ``prune``.

    Raises:
        TooManyUploads: the place had expired, and others have taken it.
    """
    take(session, settings, reservation)
    upload_id = new_id()
    key = f"{FOLDER}/{upload_id}.safetensors"
    row = Upload(
        id=upload_id,
        owner_id=reservation.owner,
        path=key,
        sha256=found.sha256,
        size=found.size,
        architecture=found.architecture.model_dump(mode="json"),
    )
    session.add(row)
    session.flush()
    incoming.publish(key)
    return row


def uploads_of(session: Session, owner: str) -> Sequence[Upload]:
    """All uploads of ``owner``, newest first."""
    mine = select(Upload).where(Upload.owner_id == owner)
    return session.execute(mine.order_by(Upload.created_at.desc(), Upload.id.desc())).scalars().all()


def upload_of(session: Session, upload_id: str, owner: str) -> Upload:
    """One upload.

    Raises:
        UploadNotFound: there is none of this owner.
    """
    mine = select(Upload).where(Upload.id == upload_id, Upload.owner_id == owner)
    found = session.execute(mine).scalar_one_or_none()
    if found is None:
        raise UploadNotFound(upload_id=upload_id)
    return found


def forget_upload(session: Session, upload_id: str, owner: str) -> str:
    """Delete the row; returns the file's key, to be deleted once that is committed.

    Raises:
        UploadNotFound: there is none of this owner.
        UploadInUse: a job that measures it is queued or running.
    """
    found = upload_of(session, upload_id, owner)
    users = select(Job.id).where(
        Job.owner_id == owner,
        Job.state.in_((JobState.QUEUED, JobState.RUNNING)),
        Job.spec["network"]["upload"].as_string() == upload_id,
    )
    user = session.execute(users.limit(1)).scalar_one_or_none()
    if user is not None:
        raise UploadInUse(f"job {user} is to measure it; cancel it first", job_id=user)
    session.delete(found)
    session.flush()
    return found.path


def forget_unused(session: Session, cutoff: FromNow) -> int:
    """Delete the rows of uploads that came before ``cutoff`` and that no job refers to, whatever its state.

    Returns how many. One that is being deleted at this moment is passed over.
    """
    measured = exists().where(
        Job.owner_id == Upload.owner_id, Job.spec["network"]["upload"].as_string() == Upload.id
    )
    unused = locked(select(Upload).where(Upload.created_at <= cutoff, ~measured), skip_locked=True)
    rows = session.execute(unused).scalars().all()
    for row in rows:
        session.delete(row)
    session.flush()
    return len(rows)
