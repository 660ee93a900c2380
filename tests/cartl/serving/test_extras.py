"""`cartl up` where the extras are missing says which to install; with them it says nothing."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cartl.serving.extras import EXTRAS, missing

ROOT = Path(__file__).resolve().parents[3]
API, WORKER = set(EXTRAS["api"]), set(EXTRAS["worker"])


def run_up(folder: Path, blocked: set[str]) -> subprocess.CompletedProcess[str]:
    """`cartl up` in a Python that cannot import ``blocked``, nor can its children."""
    lines = "\n".join(f"sys.modules[{name!r}] = None" for name in sorted(blocked))
    (folder / "sitecustomize.py").write_text(f"import sys\n{lines}\n")
    return subprocess.run(
        [sys.executable, "-m", "cartl", "up", "--port", "0", "--data-dir", str(folder / "data")],
        env={**os.environ, "PYTHONPATH": str(folder)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.mark.parametrize(
    ("blocked", "extras"),
    [(API | WORKER, "api,worker"), (WORKER - API, "worker"), (API - WORKER, "api"), ({"torch"}, "worker")],
    ids=["both", "worker", "api", "one package"],
)
def test_up_without_extras_says_which_to_install(tmp_path: Path, blocked: set[str], extras: str) -> None:
    done = run_up(tmp_path, blocked)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"pip install 'cartl[{extras}]'" in done.stderr
    assert f"({', '.join(sorted(blocked))})" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_here_nothing_is_missing() -> None:
    assert missing(EXTRAS) == {}


def test_every_module_is_of_a_package_that_an_extra_asks_for() -> None:
    """So that the command that is printed installs it."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    asked = {re.split(r"[^\w-]", line)[0].lower() for lines in extras.values() for line in lines}
    packages = importlib.metadata.packages_distributions()
    for name in API | WORKER:
        assert {package.lower().replace("_", "-") for package in packages[name]} & asked, name
