"""What the machine has set reaches no test, and no process that a test starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile import MACHINES, environment
from tests.surroundings import plain

ROOT = Path(__file__).parents[1]
# When the module is imported, when its test runs, and in a process that the test starts.
LOOK = """
import subprocess, sys
from tests.look_around import look
look()
def test_look():
    look()
    subprocess.run([sys.executable, "-c", "from tests.look_around import look; look()"], check=True)
"""


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_with_settings_of_its_own_is_not_seen(name: str, tmp_path: Path) -> None:
    test = tmp_path / "test_look.py"
    test.write_text(LOOK)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.conftest"),
            *("--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), str(test)),
        ],
        cwd=ROOT,
        env=environment(MACHINES[name], tmp_path / "machine"),
        umask=MACHINES[name].umask,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_the_tests_need_of_the_machine_is_kept(tmp_path: Path) -> None:
    machine = {"PATH": "/bin", "HOME": "/home/ann", "CARTL_PORT": "1", "Https_Proxy": "x", "PGPORT": "1"}
    found = plain(machine, tmp_path)
    assert found["PATH"] == "/bin" and found["XDG_CACHE_HOME"] == "/home/ann/.cache"
    assert found["HOME"] == str(tmp_path)
    assert not found.keys() & {"CARTL_PORT", "Https_Proxy", "PGPORT"}
