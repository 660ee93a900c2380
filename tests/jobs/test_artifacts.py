from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from jobs.artifacts import log_tail, logs_directory, measure, open_artifact, output_directory, relative_path
from jobs.errors import ArtifactNameRefused, ArtifactNotFound
from jobs.models import Artifact
from jobs.settings import Settings


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
    assert measure(file) == (3000, hashlib.sha256(b"abc" * 1000).hexdigest())
    with open_artifact(local, row(relative_path(local, file))) as opened:
        assert opened.read() == b"abc" * 1000


def test_nothing_outside_the_directory_is_opened(local: Settings, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s")
    link = output_directory(local, "job1", 1) / "link"
    link.symlink_to(secret)
    for path in ("../../secret", str(secret), "job1/1/link", "job1/1", "job1/1/gone"):
        with pytest.raises(ArtifactNotFound):
            open_artifact(local, row(path))
    with pytest.raises(ArtifactNameRefused):
        relative_path(local, link)


def test_the_end_of_the_log_runs_over_attempts(local: Settings) -> None:
    assert log_tail(local, "job1", 10) == ""
    folder = logs_directory(local, "job1")
    folder.mkdir(parents=True)
    for age, attempt in ((20, 2), (10, 10)):
        file = folder / f"attempt-{attempt}.log"
        file.write_bytes(f"{attempt} a\n{attempt} b\xff\n".encode("latin-1"))
        os.utime(file, (1e9 - age, 1e9 - age))
    assert log_tail(local, "job1", 3) == "2 b\ufffd\n10 a\n10 b\ufffd\n"
    assert log_tail(local, "job1", 100).count("\n") == 4
