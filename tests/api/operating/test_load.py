"""A short form of `make load`: both services start, every answer is right, every job is stored; no timing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.load.__main__ import ROUTES, row
from benchmarks.load.client import Tally

ROOT = Path(__file__).parents[3]


def test_both_services_answer_alike_under_load() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", "--rounds", "1", "--seconds", "0.3", "--jobs", "5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    for route in ROUTES:
        assert f"| `{route.name}` |" in done.stdout
    assert "every answer was right, and every job stored once" in done.stdout


def test_a_row_has_medians_and_the_median_of_the_ratios() -> None:
    def tally(answers: int, latency: float) -> Tally:
        return Tally(200, latencies=[latency] * answers, seconds=1.0)

    warm_up = tally(1, 9.0)
    rounds = {
        "cartl": [warm_up, tally(30, 0.010), tally(10, 0.030), tally(20, 0.020)],
        "bare": [warm_up, tally(60, 0.001), tally(10, 0.002), tally(20, 0.003)],
    }
    cells = [cell.strip() for cell in row(ROUTES[0], rounds).split("|")[2:-1]]
    assert cells == ["20/s, p99 20 ms", "20/s, p99 2 ms", "1.00"]
