"""The id of a directory, and hosts that see different ones."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import DirectoryMismatch
from jobs.files.directory_id import adopt_directories, check_directories, directory_id
from jobs.settings import Settings

Do = Callable[..., Any]


@pytest.fixture
def elsewhere(settings: Settings, tmp_path: Path) -> Settings:
    """Another host: the same database, directories of its own."""
    folders = {"stages_dir": tmp_path / "other/stages", "artifacts_dir": tmp_path / "other/artifacts"}
    other = settings.model_copy(update=folders)
    settings.make_directories()
    other.make_directories()
    return other


def test_an_id_is_made_once(tmp_path: Path) -> None:
    together, found = threading.Barrier(8), list[str]()

    def ask() -> None:
        together.wait(10)
        found.append(directory_id(tmp_path))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8 and len(set(found)) == 1
    assert [path.name for path in tmp_path.iterdir()] == [".cartl-directory"]
    assert directory_id(tmp_path) == found[0]


def test_a_host_with_other_directories_is_refused_until_they_are_adopted(
    settings: Settings, elsewhere: Settings, do: Do
) -> None:
    do(check_directories, settings)
    do(check_directories, settings)
    with pytest.raises(DirectoryMismatch, match=r"stages here .* is not the one .*jobs adopt"):
        do(check_directories, elsewhere)
    copied = elsewhere.model_copy(update={"stages_dir": settings.stages_dir})
    with pytest.raises(DirectoryMismatch, match="directory of artifacts"):
        do(check_directories, copied)
    do(adopt_directories, elsewhere)
    do(check_directories, elsewhere)
    with pytest.raises(DirectoryMismatch):
        do(check_directories, settings)


def test_a_directory_that_is_not_there_is_none_of_ours(settings: Settings, do: Do) -> None:
    with pytest.raises(OSError, match="No such file"):
        do(check_directories, settings.model_copy(update={"stages_dir": settings.data_dir / "unmounted"}))


def test_a_worker_with_other_directories_ends_in_words(
    settings: Settings, elsewhere: Settings, do: Do, tmp_path: Path
) -> None:
    do(check_directories, settings)
    named = {
        "CARTL_DATA_DIR": str(settings.data_dir),
        "CARTL_DATABASE_URL": settings.database_url,
        "CARTL_STAGES_DIR": str(elsewhere.stages_dir),
        "CARTL_ARTIFACTS_DIR": str(elsewhere.artifacts_dir),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "worker"],
        env={**os.environ, **named},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "is not the one that the other hosts of this database use" in ended.stderr
    assert "Traceback" not in ended.stderr
