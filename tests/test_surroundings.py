"""What the machine has set reaches no test, and no process that a test starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOOK = """
import os, time
from pathlib import Path
def test_look():
    told = [name for name in os.environ if name.startswith("CARTL_") or name.lower().endswith("_proxy")]
    assert told == []
    assert Path.home() != Path("/nowhere")
    assert time.tzname == ("UTC", "UTC")
    assert os.umask(0o022) == 0o022
"""


def test_a_machine_with_settings_of_its_own_is_not_seen(tmp_path: Path) -> None:
    (tmp_path / "test_look.py").write_text(LOOK)
    strange = {"CARTL_PORT": "1", "https_proxy": "http://127.0.0.1:9", "HOME": "/nowhere", "TZ": "Asia/Tokyo"}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.conftest"),
            *("--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), str(tmp_path / "test_look.py")),
        ],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **strange},
        umask=0o077,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
