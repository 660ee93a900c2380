"""Files for people: safe names, and paths that cannot leave their directory."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from jobs.errors import ArtifactNameRefused, ArtifactNotFound
from jobs.settings import Settings
from jobs.tables import Artifact

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
LOGS = "logs"
CHUNK = 1024 * 1024


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
    path = settings.artifacts_dir / check_name(job_id) / str(token)
    path.mkdir(parents=True, exist_ok=True)
    return path


def relative_path(settings: Settings, path: Path) -> str:
    """``path`` as the record keeps it: relative to the artifacts directory, with forward slashes.

    Raises:
        ArtifactNameRefused: it lies elsewhere, symbolic links resolved.
    """
    root = settings.artifacts_dir.resolve()
    resolved = path.resolve()
    if not resolved.is_relative_to(root):
        raise ArtifactNameRefused(f"{path.name} lies outside the artifacts directory", name=path.name)
    return resolved.relative_to(root).as_posix()


def path_of(settings: Settings, artifact: Artifact) -> Path:
    """The artifact's file.

    Raises:
        ArtifactNotFound: the row is there but the file is gone, or lies outside the directory.
    """
    root = settings.artifacts_dir.resolve()
    path = (root / artifact.path).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        raise ArtifactNotFound(f"the file of artifact {artifact.name!r} is gone", name=artifact.name)
    return path


def logs_directory(settings: Settings, job_id: str) -> Path:
    """Where a job's runs write their logs, one file an attempt, whose end a person may read."""
    return settings.artifacts_dir / check_name(job_id) / LOGS


def log_file(settings: Settings, job_id: str, attempt: int) -> Path:
    """The log of one attempt."""
    return logs_directory(settings, job_id) / f"attempt-{attempt}.log"


def log_files(settings: Settings, job_id: str) -> list[Path]:
    """The logs of a job's attempts, oldest first by the last time that each was written."""
    written = logs_directory(settings, job_id).glob("attempt-*.log")
    return sorted(written, key=lambda path: (path.stat().st_mtime_ns, path.name))


def measure(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a file, read in pieces."""
    sha = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha.update(chunk)
            size += len(chunk)
    return size, sha.hexdigest()
