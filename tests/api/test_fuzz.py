"""A short form of `make fuzz`: generated requests over the whole OpenAPI document, each answer judged."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FEWEST = 10


def test_generated_requests_find_no_fault() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fuzz", "--seconds", "12", "--seed", "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    told = re.search(r"^(\d+) generated requests, all clean", done.stdout, re.M)
    assert told is not None and int(told[1]) >= FEWEST
