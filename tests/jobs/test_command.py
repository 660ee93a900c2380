from __future__ import annotations

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
    (plain,) = KEY.findall(told)
    code, told = jobs("migrate", "--first-key")
    assert code == 0 and KEY.findall(told) == []
    code, told = jobs("check")
    assert code == 0 and "broker: answers" in told

    code, told = jobs("keys", "create", "--owner", "ann", "--scope", "read", "--scope", "submit")
    assert code == 0
    with reading(session_factory(make_engine(Settings(data_dir=tmp_path)))) as session:
        first, second = verify(session, plain), verify(session, told.strip())
        assert first is not None and first.scopes == ["admin", "read", "submit"]
        assert second is not None and (second.owner_id, second.scopes) == ("ann", ["read", "submit"])
        assert len(keys_of(session)) == 2
    assert jobs("keys", "create", "--scope", "root")[0] == 2


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
