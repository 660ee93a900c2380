"""Where the network of an evaluation lies: an upload, or the student that an earlier job has exported.

Both lie below the artifacts directory, and both are their owner's alone.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from cartl_core.catalog.network_file import NetworkFile, inspect
from cartl_core.errors import SpecError
from cartl_core.spec.existing_network import NetworkRef
from cartl_core.storage.bucket import StoreUnavailable
from cartl_core.storage.store import KeyRefused
from jobs.errors import ResourceNotFound
from jobs.files.brought import teacher_file
from jobs.files.proven import PROVEN
from jobs.files.stores import artifact_store
from jobs.settings import Settings
from jobs.store.resources.kinds import NETWORK, TEACHER
from jobs.store.resources.record import teacher_of
from jobs.tables import Artifact, Job, Upload

STUDENT = "student.safetensors"
MISSING = {
    "network.job": "there is no such job, or it has no student yet",
    "network.upload": "there is no such upload",
    "network.teacher": "there is no such teacher",
}


NOTHING_NAMED = "it names no network"
WAYS = "the id of an upload in `upload`, of a job that has succeeded in `job`, or of a teacher in `teacher`"


def file_of(session: Session, ref: NetworkRef, owner: str) -> str | None:
    """The file that ``ref`` names, relative to the artifacts directory; what others own does not exist."""
    if ref.teacher is not None:
        return TEACHER.key(ref.teacher, NETWORK)
    found = _kept_file(session, ref, owner)
    return None if found is None else found[0]


def _of_teacher(session: Session, settings: Settings, named: str, owner: str) -> NetworkFile:
    try:
        row = teacher_of(session, owner, named)
    except ResourceNotFound as error:
        raise SpecError("network.teacher", MISSING["network.teacher"], allowed=WAYS) from error
    return teacher_file(settings, row, field="network.teacher")


def _kept_file(session: Session, ref: NetworkRef, owner: str) -> tuple[str, str] | None:
    """Its path, and the SHA-256 that it was kept under."""
    if ref.upload is not None:
        wanted = select(Upload.path, Upload.sha256).where(Upload.id == ref.upload, Upload.owner_id == owner)
    else:
        wanted = (
            select(Artifact.path, Artifact.sha256)
            .join(Job, Job.id == Artifact.job_id)
            .where(Artifact.job_id == ref.job, Artifact.name == STUDENT, Job.owner_id == owner)
        )
    row = session.execute(wanted).one_or_none()
    return None if row is None else (row.path, row.sha256)


def find_network(session: Session, settings: Settings, ref: NetworkRef, owner: str) -> NetworkFile:
    """What the file that ``ref`` names says of itself.

    Raises:
        SpecError: there is no such file of this owner, it is no network, or not the file that was kept.
    """
    if ref.teacher is not None:
        return _of_teacher(session, settings, ref.teacher, owner)
    if ref.upload is None and ref.job is None:
        raise SpecError("network", NOTHING_NAMED, allowed=WAYS)
    field = "network.job" if ref.upload is None else "network.upload"
    kept = _kept_file(session, ref, owner)
    if kept is None:
        raise SpecError(field, MISSING[field], allowed=WAYS)
    (key, sha256), store = kept, artifact_store(settings)
    try:
        if not PROVEN.holds(store, key, sha256):
            raise SpecError(field, "its file was damaged since it was kept: its SHA-256 is another")
        with store.local_copy(key) as path:
            return inspect(path, field=field)
    except StoreUnavailable:
        raise
    except (OSError, KeyRefused) as error:
        raise SpecError(field, "its file is gone") from error
