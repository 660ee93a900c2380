"""The work: tiny real jobs, each with an owner's wave; what they must come out as; people who watch."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from jobs.queue import make_celery, notify_workers
from jobs.state import JobState
from jobs.store import state_counts
from jobs.store.rights.keys import make_key
from tests.chaos.stack import Stack

EXTRA_BELLS = 2
"""The API notifies once of a job; with these each message is delivered three times."""
# Where and when, not what: all else in a report must be equal to the reference's.
WHEN = frozenset({"seconds", "images_per_second", "reused", "origin"})


def requests(variants: int, epochs: int) -> list[dict[str, Any]]:
    """Distinct jobs: two of each pair share a teacher and differ in how they transfer."""
    return [
        {
            "dataset": {"name": "digits", "classes": [5, 6, 7, 8, 9]},
            "freeze_depth": 1,
            "model": "tiny",
            "preset": "smoke",
            "exports": [],
            "baselines": [],
            "seed": variant // 2,
            "pretrain": {"epochs": epochs},
            "transfer": {"lr": 0.05 if variant % 2 == 0 else 0.02},
        }
        for variant in range(variants)
    ]


@dataclass(frozen=True)
class Result:
    """What two runs of one specification must have in common."""

    weights: str
    outcomes: str
    figures: str

    @classmethod
    def of(cls, weights: str, outcomes: str, report: dict[str, Any]) -> Result:
        return cls(weights, outcomes, json.dumps(timeless(report), sort_keys=True))


def timeless(value: Any) -> Any:
    """A report without times, and without whose stage it reused."""
    if isinstance(value, dict):
        return {key: timeless(part) for key, part in value.items() if key not in WHEN}
    if isinstance(value, list):
        return [timeless(part) for part in value]
    return value


def reference(request: dict[str, Any], scratch: Path, data_root: Path) -> Result:
    """Run a specification undisturbed, by the library's own command, without any service."""
    out = scratch / f"reference-{hashlib.sha256(json.dumps(request).encode()).hexdigest()[:12]}"
    out.mkdir(parents=True)
    spec = out / "request.json"
    spec.write_text(json.dumps(request))
    command = [sys.executable, "-m", "cartl_core", "run", str(spec), "--out", str(out), "--threads", "1"]
    command += ["--data-root", str(data_root), "--progress", "none"]
    subprocess.run(command, check=True, timeout=900, capture_output=True)
    report = json.loads((out / "report.json").read_text())
    return Result.of(_sha(out / "student.safetensors"), _sha(out / "outcomes-student.safetensors"), report)


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass
class Load:
    """Keeps ``alive`` jobs unfinished over HTTP, until it is told to submit no more.

    Attributes:
        variant_of: job id -> which of the requests it is.
        posted: idempotency keys that were used; as many jobs must exist.
    """

    stack: Stack
    requests: list[dict[str, Any]]
    alive: int
    variant_of: dict[str, int] = field(default_factory=dict)
    key_of: dict[str, str] = field(default_factory=dict)
    posted: int = 0
    trouble: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    """How often each status came."""

    def __post_init__(self) -> None:
        self._done = threading.Event()
        self._celery = make_celery(self.stack.settings)
        self._thread = threading.Thread(target=self._keep, name="load", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._done.set()
        self._thread.join(60)

    def post(self, job_id: str, wish: str) -> bool:
        """``cancel`` or ``retry`` a job; False when the API is away or it was too late."""
        try:
            answer = httpx.post(
                f"{self.stack.url}/jobs/{job_id}/{wish}", headers=self.headers(job_id), timeout=20
            )
        except httpx.TransportError:
            return False
        self.note(f"POST /jobs/ID/{wish}", answer)
        return answer.is_success

    def note(self, what: str, answer: httpx.Response) -> None:
        """Count it. The database may be away (503) or have a full disk (507, which a failing COMMIT plays);
        another mistake of the service is trouble."""
        self.answers[f"{what} {answer.status_code}"] += 1
        if answer.status_code >= 500 and answer.status_code not in (503, 507):
            self.trouble.append(f"{what} was answered {answer.status_code}")

    def headers(self, job_id: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key_of[job_id]}"}

    def _keep(self) -> None:
        wave = 0
        while not self._done.is_set():
            if not self.stack.disk.is_full and self.stack.patiently(_unfinished) < self.alive:
                self._submit_wave(wave)
                wave += 1
            self._done.wait(1.0)

    def _submit_wave(self, wave: int) -> None:
        """An owner of its own: nothing that another wave computed is shared with it."""
        plain, row = make_key(f"wave-{wave}", "chaos", "submitter")
        self.stack.patiently(lambda session: session.merge(row) and None)
        for variant, request in enumerate(self.requests):
            if self._done.is_set():
                return
            self.posted += 1
            job_id = self._submit(plain, f"{wave}-{variant}", request)
            if job_id is not None:
                self.key_of[job_id] = plain
                self.variant_of[job_id] = variant

    def _submit(self, plain: str, idempotency_key: str, request: dict[str, Any]) -> str | None:
        """Post until it is accepted: with one Idempotency-Key, so any number of tries is one job."""
        headers = {"Authorization": f"Bearer {plain}", "Idempotency-Key": idempotency_key}
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            try:
                answer = httpx.post(f"{self.stack.url}/jobs", json=request, headers=headers, timeout=20)
            except httpx.TransportError:
                time.sleep(0.3)
                continue
            self.note("POST /jobs", answer)
            if answer.is_success:
                for _ in range(EXTRA_BELLS):
                    notify_workers(self._celery, answer.json()["id"])
                return str(answer.json()["id"])
            if answer.status_code not in (409, 429, 500, 503, 507):
                break
            time.sleep(0.3)
        self.trouble.append(f"job {idempotency_key} was not accepted")
        return None


def _unfinished(session: Any) -> int:
    """A job that failed will be retried, or is a violation."""
    over = (JobState.SUCCEEDED, JobState.CANCELLED)
    return sum(count for state, count in state_counts(session).items() if state not in over)


class Watcher:
    """A person with a browser whose line drops now and then: follows one job after another.

    Attributes:
        seen: job id -> the event numbers that arrived, in order.
    """

    def __init__(self, load: Load, seed: int, choose: Callable[[], str | None]) -> None:
        self._load = load
        self._random = random.Random(seed)
        self._choose = choose
        self._done = threading.Event()
        self.seen: dict[str, list[int]] = {}
        self.drops = 0
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._done.set()
        self._thread.join(30)

    def _watch(self) -> None:
        while not self._done.is_set():
            job_id = self._choose()
            if job_id is None or job_id in self.seen:
                self._done.wait(0.5)
                continue
            self.seen[job_id] = []
            while not self._done.is_set() and not self._follow(job_id, self.seen[job_id]):
                self.drops += 1
                self._done.wait(0.3)

    def _follow(self, job_id: str, seen: list[int]) -> bool:
        """Read the stream until it drops; True once there is nothing more."""
        headers = self._load.headers(job_id) | {"Accept": "text/event-stream"}
        if seen:
            headers["Last-Event-ID"] = str(seen[-1])
        drop_at = time.monotonic() + self._random.uniform(0.5, 6.0)
        url = f"{self._load.stack.url}/jobs/{job_id}/events"
        try:
            with httpx.stream("GET", url, headers=headers, timeout=5) as answer:
                self._load.note("GET /jobs/ID/events", answer)
                if answer.status_code == 204:
                    return True
                for line in answer.iter_lines():
                    if line.startswith("id:"):
                        seen.append(int(line[3:]))
                    if time.monotonic() > drop_at or self._done.is_set():
                        return False
        except httpx.TransportError:
            return False
        return False
