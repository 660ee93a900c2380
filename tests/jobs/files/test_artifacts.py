from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from jobs.errors import ArtifactNameRefused, ArtifactNotFound
from jobs.files.artifacts import (
    artifact_file,
    log_file,
    logs_of,
    output_directory,
    relative_path,
)
from jobs.files.stores import artifact_store
from jobs.settings import Settings
from jobs.tables import Artifact


@pytest.fixture
def local(tmp_path: Path) -> Settings:
    settings = Settings(data_dir=tmp_path / "data")
    settings.make_directories()
    return settings


def row(path: str) -> Artifact:
    return Artifact(job_id="j", name="x", path=path, media_type="text/plain", size=0, sha256="", token=1)


def test_each_claim_writes_into_its_own_directory(local: Settings) -> None:
    first, second = output_directory(local, "job1", 1), output_directory(local, "job1", 2)
    assert first != second and first.is_dir() and output_directory(local, "job1", 1) == first
    assert relative_path(local, first / "report.json") == "job1/1/report.json"
    with pytest.raises(ArtifactNameRefused):
        output_directory(local, "../job1", 1)


def test_a_file_is_read_back(local: Settings) -> None:
    file = output_directory(local, "job1", 1) / "x"
    file.write_bytes(b"abc" * 1000)
    kept = artifact_store(local).stat(relative_path(local, file))
    assert (kept.size, kept.sha256) == (3000, hashlib.sha256(b"abc" * 1000).hexdigest())
    assert artifact_file(local, row(relative_path(local, file))).read_bytes() == b"abc" * 1000


def test_nothing_outside_the_directory_is_found(local: Settings, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s")
    link = output_directory(local, "job1", 1) / "link"
    link.symlink_to(secret)
    for path in ("../../secret", str(secret), "job1/1/link", "job1/1", "job1/1/gone"):
        with pytest.raises(ArtifactNotFound):
            artifact_file(local, row(path))
    with pytest.raises(ArtifactNameRefused):
        relative_path(local, link)


def test_logs_come_in_the_order_in_which_they_were_written(local: Settings) -> None:
    assert logs_of(local, "job1") == []
    assert log_file(local, "job1", 2) == local.artifacts_dir / "job1" / "logs" / "attempt-2.log"
    for age, attempt in ((20, 2), (10, 10), (30, 3)):
        file = log_file(local, "job1", attempt)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        os.utime(file, (1e9 - age, 1e9 - age))
    found = [entry.key.rpartition("/")[2] for entry in logs_of(local, "job1")]
    assert found == ["attempt-3.log", "attempt-2.log", "attempt-10.log"]
    with pytest.raises(ArtifactNameRefused):
        log_file(local, "../job1", 1)
