"""Run twenty jobs on a service of their own and compare the time left that it told with what was left.

What a person sees is recorded: the answers of `GET /jobs/{id}`, twice a second. Other work on the machine is
part of the measurement; the load is printed beside each job.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.server import free_port
from benchmarks.time_left.jobs import Asked, jobs
from benchmarks.time_left.judge import ALLOWED, Record, row, summary, table
from cartl.client import TERMINAL, Client
from cartl.up import Service, Settings

OUT = Path("benchmarks/results/time_left.json")
POLL_SECONDS = 0.5


def main() -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help=f"default: {OUT}")
    parser.add_argument("--work", type=Path, help="the folder of the service (default: a new one)")
    parser.add_argument("--only", type=int, help="so many of the jobs, from the first")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="post no job after so long")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=options.work or Path(folder), port=free_port())
        rows: list[dict[str, Any]] = []
        with Service(settings), Client(settings.url, None) as client:
            for record in watched(client, jobs()[: options.only], options.seconds):
                rows.append(row(record))
                _say(table(rows[-1:]).splitlines()[-1])
    _say(f"\n{table(rows)}\n\n{json.dumps(summary(rows), indent=1)}")
    found = {
        "machine": {"cores": len(os.sched_getaffinity(0)), "processor": platform.machine()},
        "allowed_factor": ALLOWED,
        "poll_seconds": POLL_SECONDS,
        "summary": summary(rows),
        "jobs": rows,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def watched(client: Client, asked: tuple[Asked, ...], seconds: float) -> Iterator[Record]:
    """Each job in turn, from its submission to its end."""
    students: dict[str, str] = {}
    began = time.monotonic()
    for one in asked:
        if time.monotonic() - began > seconds:
            return
        for name, job in _posted(client, one, students):
            students[name] = job["id"]
            yield watch(client, name, job)


def _posted(client: Client, one: Asked, students: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    if one.sweep:
        sweep = client.submit_sweep(one.request)
        found = sorted(client.jobs(sweep=sweep["id"]), key=lambda job: str(job["created_at"]))
        return [(f"{one.name}, {place}", client.job(job["id"])) for place, job in enumerate(found, start=1)]
    request = dict(one.request)
    if one.student_of is not None:
        request["network"] = {"job": students[one.student_of]}
    return [(one.name, client.submit(request))]


def watch(client: Client, name: str, job: dict[str, Any]) -> Record:
    """Ask twice a second until the job has ended."""
    spec = job["spec"]
    record = Record(name, str(spec.get("method") or spec.get("kind") or "evaluate"), estimate=job["estimate"])
    began: float | None = None
    while True:
        job, now = client.job(job["id"]), time.monotonic()
        if job["state"] in TERMINAL:
            record.seconds = 0.0 if began is None else now - began
            record.state, record.load = job["state"], os.getloadavg()[0]
            return record
        if job["state"] == "running":
            began = now if began is None else began
            record.points.append((now - began, job["seconds_left"]))
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
