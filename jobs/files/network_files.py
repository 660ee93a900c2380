"""Where the network of an evaluation lies: an upload, or the student that an earlier job has exported.

Both lie below the artifacts directory, and both are their owner's alone.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from cartl_core.catalog.network_file import NetworkFile, inspect
from cartl_core.errors import SpecError
from cartl_core.spec.existing_network import NetworkRef
from jobs.admission.network_size import network_size
from jobs.settings import Settings
from jobs.tables import Artifact, Job, Upload

STUDENT = "student.safetensors"
MISSING = {
    "network.job": "there is no such job, or it has no student yet",
    "network.upload": "there is no such upload",
}


NOTHING_NAMED = "it names no network"
WAYS = "the id of an upload in `upload`, or of a job that has succeeded in `job`"


def file_of(session: Session, ref: NetworkRef, owner: str) -> str | None:
    """The file that ``ref`` names, relative to the artifacts directory; what others own does not exist."""
    if ref.upload is not None:
        mine = select(Upload.path).where(Upload.id == ref.upload, Upload.owner_id == owner)
        return session.execute(mine).scalar_one_or_none()
    wanted = (
        select(Artifact.path)
        .join(Job, Job.id == Artifact.job_id)
        .where(Artifact.job_id == ref.job, Artifact.name == STUDENT, Job.owner_id == owner)
    )
    return session.execute(wanted).scalar_one_or_none()


def find_network(session: Session, settings: Settings, ref: NetworkRef, owner: str) -> NetworkFile:
    """What the file that ``ref`` names says of itself.

    Raises:
        SpecError: there is no such file of this owner, or it is no network.
    """
    if ref.upload is None and ref.job is None:
        raise SpecError("network", NOTHING_NAMED, allowed=WAYS)
    field = "network.job" if ref.upload is None else "network.upload"
    path = file_of(session, ref, owner)
    if path is None:
        raise SpecError(field, MISSING[field], allowed=WAYS)
    try:
        found = inspect(settings.artifacts_dir / path, field=field)
    except OSError as error:
        raise SpecError(field, "its file is gone") from error
    _check_size(found)
    return found


def _check_size(found: NetworkFile) -> None:
    """Weights and biases must be there; the statistics of batch norm and the normalisation come on top."""
    architecture = found.architecture
    least = network_size(architecture.model, architecture.classes).parameters
    if found.parameters < least:
        raise SpecError(
            "network",
            f"it has {found.parameters} numbers, but {architecture.model.name} needs {least} or more",
        )
