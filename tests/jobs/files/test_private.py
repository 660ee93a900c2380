"""Whatever the umask, no file of the service is for others."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.database.engine import make_engine, migrate
from jobs.files.private import keep_private
from jobs.settings import Settings


def open_to_others(root: Path) -> list[str]:
    """What others may use at ``root``, without what lies in a directory that they may not enter."""
    found = []
    for path in (root, *root.rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        if mode & 0o077:
            found.append(f"{path.relative_to(root.parent)} {mode:o}")
    return sorted(found)


@pytest.mark.parametrize(
    "command",
    [
        ["jobs", "migrate"],
        ["jobs", "keys", "create"],
        ["jobs", "check"],
        ["jobs", "prune"],
    ],
    ids=" ".join,
)
def test_commands_make_files_for_their_user_alone(tmp_path: Path, command: list[str]) -> None:
    data = tmp_path / "data"
    environment = {**os.environ, "CARTL_DATA_DIR": str(data)}

    def run(arguments: list[str]) -> None:
        subprocess.run(
            [sys.executable, "-m", *arguments],
            env=environment,
            check=True,
            timeout=60,
            stdout=subprocess.DEVNULL,
            umask=0,
        )

    run(["jobs", "migrate"])
    run(command)
    assert (data / "cartl.sqlite3").exists()
    assert open_to_others(data) == []


def test_a_database_is_private_whoever_makes_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        engine = make_engine(Settings(data_dir=tmp_path / "data"))
        migrate(engine)
        with engine.connect():
            names = sorted(path.name for path in (tmp_path / "data").iterdir())
            assert names == ["cartl.sqlite3", "cartl.sqlite3-shm", "cartl.sqlite3-wal"]
            assert open_to_others(tmp_path / "data") == []
        engine.dispose()
    finally:
        os.umask(before)


def test_what_was_left_open_is_closed_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    settings.make_directories()
    for name in ("cartl.sqlite3", "logs/api.log", "artifacts/jobs/report.md"):
        path = settings.data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        path.chmod(0o644)
    for directory in (settings.data_dir, settings.artifacts_dir, settings.stages_dir, settings.data_root):
        directory.chmod(0o755)
    keep_private(settings)
    # Data sets may be shared; nobody gets to them through this directory. Nor to the report.
    assert open_to_others(settings.data_dir) == [
        "data/artifacts/jobs 755",
        "data/artifacts/jobs/report.md 644",
        "data/data 755",
    ]
    assert "was open to other users (mode 644); it is closed now" in caplog.text
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        keep_private(settings)
    assert caplog.text == ""


def test_a_directory_that_holds_other_things_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").write_text("x")
    home.chmod(0o755)
    settings = Settings(data_dir=home)
    make_engine(settings).dispose()
    (home / "cartl.sqlite3").chmod(0o644)
    keep_private(settings)
    assert stat.S_IMODE(home.stat().st_mode) == 0o755
    assert stat.S_IMODE((home / "cartl.sqlite3").stat().st_mode) == 0o600
    assert "it holds other things too" in caplog.text


def test_a_worker_makes_files_for_its_user_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = subprocess.run(
        [sys.executable, "-m", "worker"],
        env={**os.environ, "CARTL_DATA_DIR": str(data)},
        check=False,
        timeout=120,
        capture_output=True,
        text=True,
        umask=0,
    )
    assert done.returncode == 1 and "jobs migrate" in done.stderr
    assert (data / "stages").is_dir() and open_to_others(data) == []
