"""Run twenty jobs and compare the time left that was told with what was left.

Other work on the machine is part of the measurement; the load is printed beside each job.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.time_left import by_library, by_service
from benchmarks.time_left.jobs import jobs
from benchmarks.time_left.judge import ALLOWED, row, summary, table

OUT = Path("benchmarks/results/time_left.json")


def main() -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help=f"default: {OUT}")
    parser.add_argument("--work", type=Path, help="where all is kept (default: a new folder)")
    parser.add_argument(
        "--service", action="store_true", help="post them to a service, and record what it answers"
    )
    parser.add_argument("--only", type=int, help="so many of the jobs, from the first")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="post no job after so long")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        run = by_service.watched if options.service else by_library.watched
        for record in run(jobs()[: options.only], options.work or Path(folder), options.seconds):
            rows.append(row(record))
            _say(table(rows[-1:]).splitlines()[-1])
            _write(options, rows)
    _say(f"\n{table(rows)}\n\n{json.dumps(summary(rows), indent=1)}")
    return 0


def _write(options: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    """All so far: a run of an hour that is ended early has its rows."""
    found = {
        "machine": {"cores": len(os.sched_getaffinity(0)), "processor": platform.machine()},
        "allowed_factor": ALLOWED,
        "by": "service" if options.service else "library",
        "summary": summary(rows),
        "jobs": rows,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
