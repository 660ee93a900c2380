"""Files for people: safe names, and paths that cannot leave their directory."""

from __future__ import annotations

import re
from pathlib import Path

from cartl_core.storage.store import Entry, KeyRefused
from jobs.errors import ArtifactNameRefused, ArtifactNotFound
from jobs.files.kept_file import KeptFile
from jobs.files.stores import artifact_store, own_artifacts
from jobs.settings import Settings
from jobs.tables import Artifact

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
LOGS = "logs"


def check_name(name: str) -> str:
    """The name itself, when it is one path component without tricks.

    Raises:
        ArtifactNameRefused: otherwise.
    """
    if not NAME.fullmatch(name):
        raise ArtifactNameRefused(name=name)
    return name


def output_directory(settings: Settings, job_id: str, token: int) -> Path:
    """Where one claim of a job writes its files: fencing for artifacts. Made on demand."""
    path = own_artifacts(settings).root / check_name(job_id) / str(token)
    path.mkdir(parents=True, exist_ok=True)
    return path


def relative_path(settings: Settings, path: Path) -> str:
    """``path`` as the record keeps it: relative to the artifacts directory, with forward slashes.

    Raises:
        ArtifactNameRefused: it lies elsewhere, symbolic links resolved.
    """
    try:
        return own_artifacts(settings).key_of(path)
    except KeyRefused as error:
        raise ArtifactNameRefused(
            f"{path.name} lies outside the artifacts directory", name=path.name
        ) from error


def artifact_file(settings: Settings, artifact: Artifact) -> KeptFile:
    """The artifact's file.

    Raises:
        ArtifactNotFound: the row is there but the file is gone, or lies outside the store.
    """
    file = KeptFile(artifact_store(settings), artifact.path)
    try:
        file.stamp()
    except (FileNotFoundError, KeyRefused) as error:
        raise file_gone(artifact) from error
    return file


def file_gone(artifact: Artifact) -> ArtifactNotFound:
    """The error that says so."""
    return ArtifactNotFound(f"the file of artifact {artifact.name!r} is gone", name=artifact.name)


def logs_directory(settings: Settings, job_id: str) -> Path:
    """Where a job's runs write their logs, one file an attempt, whose end a person may read."""
    return own_artifacts(settings).root / check_name(job_id) / LOGS


def log_file(settings: Settings, job_id: str, attempt: int) -> Path:
    """The log of one attempt."""
    return logs_directory(settings, job_id) / f"attempt-{attempt}.log"


def logs_of(settings: Settings, job_id: str) -> list[Entry]:
    """The logs of a job's attempts in the store, oldest first by the last time that each was written."""
    written = artifact_store(settings).entries(f"{check_name(job_id)}/{LOGS}")
    return sorted(written, key=lambda entry: (entry.modified, entry.key))
