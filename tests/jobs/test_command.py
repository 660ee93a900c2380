from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.__main__ import app
from jobs.database.engine import make_engine, newest_revision, reading, session_factory
from jobs.settings import Settings
from jobs.state import diagram
from jobs.store.rights.keys import keys_of, verify

KEY = re.compile(r"^cartl_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$", re.MULTILINE)


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    monkeypatch.setenv("CARTL_DATA_DIR", str(tmp_path))

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, arguments)
        return result.exit_code, result.stdout

    return run


def test_the_first_key_is_made_once(jobs: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    assert jobs("check")[0] == 1
    code, told = jobs("migrate", "--first-key")
    assert code == 0 and f"at migration {newest_revision()}" in told
    assert KEY.findall(told) == [] and str(tmp_path / "first-key") in told
    assert (tmp_path / "first-key").stat().st_mode & 0o777 == 0o600
    code, told = jobs("keys", "first")
    (plain,) = KEY.findall(told)
    assert code == 0 and not (tmp_path / "first-key").exists()
    assert jobs("keys", "first") == (1, "")
    code, told = jobs("migrate", "--first-key")
    assert code == 0 and KEY.findall(told) == []
    code, told = jobs("check")
    assert code == 0 and "broker: answers" in told

    code, told = jobs("keys", "create", "--owner", "ann", "--role", "viewer")
    assert code == 0
    with reading(session_factory(make_engine(Settings(data_dir=tmp_path)))) as session:
        first, second = verify(session, plain), verify(session, told.strip())
        assert first is not None and first.role == "operator"
        assert second is not None and (second.owner_id, second.role) == ("ann", "viewer")
        assert len(keys_of(session)) == 2
    assert jobs("keys", "create", "--role", "root")[0] == 2
    assert [line.split("\t")[1:3] for line in jobs("keys", "list")[1].splitlines()] == [
        ["admin", "operator"],
        ["ann", "viewer"],
    ]


def test_keys_are_rotated_and_revoked_at_the_console_and_the_log_tells(
    jobs: Callable[..., tuple[int, str]],
) -> None:
    jobs("migrate")
    secret = jobs("keys", "create", "--owner", "ann", "--expires-days", "1")[1].strip()
    key_id = secret.split("_")[1]
    again = jobs("keys", "rotate", key_id, "--grace-hours", "0")[1].strip()
    assert KEY.findall(again) == [again] != [secret]
    assert jobs("keys", "revoke", key_id)[0] == 0
    assert jobs("keys", "revoke", key_id)[0] == jobs("keys", "rotate", key_id)[0] == 1
    code, told = jobs("audit", "export")
    rows = [json.loads(line) for line in told.splitlines()]
    assert code == 0 and [row["action"] for row in rows] == ["key.create", "key.rotate", "key.revoke"]
    seen = {(row["owner"], row["object_owner"], row["address"], row["object"]) for row in rows}
    assert seen == {(None, "ann", "console", key_id)}
    assert jobs("audit", "export", "--after", str(rows[1]["number"]))[1] == told.splitlines(True)[2]
    assert secret.split("_", 2)[2] not in told and again.split("_", 2)[2] not in told


def test_the_diagram_is_printed(jobs: Callable[..., tuple[int, str]]) -> None:
    assert jobs("diagram") == (0, diagram() + "\n")


def test_the_record_imports_no_torch() -> None:
    """Everything of jobs, in a process in which torch cannot be imported."""
    program = """
import importlib, pkgutil, sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision", "safetensors"):
            raise ImportError(name)
sys.meta_path.insert(0, NoTorch())
import jobs
for module in pkgutil.walk_packages(jobs.__path__, "jobs."):
    importlib.import_module(module.name)
assert "torch" not in sys.modules
print(len([name for name in sys.modules if name.startswith("jobs.")]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert int(done.stdout) > 15
