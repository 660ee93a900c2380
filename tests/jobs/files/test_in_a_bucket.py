"""A deployment whose files lie in a bucket: whose it is, and what retention removes from it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.storage.bucket import Bucket
from jobs.database.engine import transaction
from jobs.errors import DirectoryMismatch
from jobs.files import retention
from jobs.files.directory_id import adopt_directories, check_directories
from jobs.files.retention import prune
from jobs.files.stores import artifact_store, stage_store
from jobs.settings import Settings
from jobs.tables import Upload


@pytest.fixture
def backend() -> str:
    return "sqlite"


@pytest.fixture
def there(settings: Settings, bucket_url: str) -> Settings:
    return settings.model_copy(update={"store": bucket_url})


def test_hosts_with_another_bucket_or_with_directories_are_refused_until_they_are_adopted(
    settings: Settings, there: Settings, do: Callable[..., None]
) -> None:
    other = there.model_copy(update={"store": f"{there.store}-other"})
    do(check_directories, there)
    do(check_directories, there)
    for wrong in (other, settings):
        with pytest.raises(DirectoryMismatch, match="set the same CARTL_STORE"):
            do(check_directories, wrong)
    do(adopt_directories, settings)
    do(check_directories, settings)
    with pytest.raises(DirectoryMismatch):
        do(check_directories, there)


def test_a_worker_with_another_bucket_ends_in_words(there: Settings, do: Callable[..., None]) -> None:
    do(check_directories, there)
    named = {
        "CARTL_DATA_DIR": str(there.data_dir),
        "CARTL_DATABASE_URL": there.database_url,
        "CARTL_STORE": f"{there.store}-other",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "worker"],
        env={**os.environ, **named},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ended.returncode == 1
    assert f"({there.store}-other) is not the one" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in ended.stderr


def test_retention_removes_from_the_bucket_what_no_row_names(
    there: Settings, factory: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stages, artifacts = stage_store(there), artifact_store(there)
    stages.put("digest/job-1/1.checkpoint", b"12")
    artifacts.put("job/1/report.md", b"345")
    artifacts.put("uploads/kept.safetensors", b"6")
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "index.json").write_bytes(b"7")
    artifacts.put_tree("datasets/gone/pack", pack)
    bucket = Bucket(there.store)
    bucket.put("artifacts/content/broken-off/pixels", b"8", "")
    row = Upload(
        id="kept", owner_id="ada", path="uploads/kept.safetensors", sha256="0" * 64, size=1, architecture={}
    )
    with transaction(factory) as session:
        session.add(row)
    young = prune(factory, there, older_than_days=30)
    assert young.paths == ()
    monkeypatch.setattr(retention, "SETTLED_SECONDS", -3600.0)
    pruned = prune(factory, there, older_than_days=30)
    assert len(pruned.paths) == 3
    assert pruned.size == 6
    assert list(stages.list()) == []
    assert list(artifacts.list()) == ["uploads/kept.safetensors"]
    assert [one.path for one in bucket.list("artifacts")] == ["artifacts/files/uploads/kept.safetensors"]
