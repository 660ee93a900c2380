"""The jobs as a person sees them: posted to a service of their own, its answers recorded twice a second."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.server import free_port
from benchmarks.time_left.jobs import Asked
from benchmarks.time_left.judge import Record
from cartl.client import TERMINAL, Client
from cartl.serving.up import Service, Settings

POLL_SECONDS = 0.5


def watched(asked: tuple[Asked, ...], work: Path, seconds: float) -> Iterator[Record]:
    """Each job in turn, from its claim to its end."""
    settings = Settings(data_dir=work, port=free_port())
    with Service(settings), Client(settings.url, None) as client:
        yield from _watched(client, asked, seconds)


def _watched(client: Client, asked: tuple[Asked, ...], seconds: float) -> Iterator[Record]:
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
