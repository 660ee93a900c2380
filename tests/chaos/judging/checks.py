"""Checks of data sets beside the jobs: one is offered whenever a fault wants one to strike."""

from __future__ import annotations

import io
import signal
from dataclasses import dataclass, field

import httpx
import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.store.rights.keys import make_key
from jobs.store.tasks import WORKER_LOST
from jobs.tables import Dataset, Task
from tests.chaos.service import Service, children, command_of, send
from tests.chaos.stack import Stack

IMAGES = 60_000
"""Their check takes some seconds."""
COMMAND = "check-dataset"
SECONDS = 30.0


def content() -> bytes:
    """An .npz of small random images of two classes."""
    draw, made = np.random.default_rng(0), io.BytesIO()
    images = draw.integers(0, 256, (IMAGES, 8, 8), dtype=np.uint8)
    np.savez(made, images=images, labels=(np.arange(IMAGES) % 2).astype(np.int64))
    return made.getvalue()


@dataclass
class Checks:
    """What was offered, and what became of it."""

    stack: Stack
    offered: int = 0
    _headers: dict[str, str] = field(default_factory=dict)
    _content: bytes = b""

    def offer(self) -> None:
        """Bring a data set, unless one is being checked. Nothing comes of it while the API is away."""
        if self.unfinished():
            return
        if not self._headers:
            plain, row = make_key("checks", "chaos", "submitter")
            self.stack.patiently(lambda session: session.merge(row) and None)
            self._headers, self._content = {"Authorization": f"Bearer {plain}"}, content()
        self.offered += 1
        body = {"name": f"check-{self.offered}", "size": len(self._content)}
        try:
            made = httpx.post(f"{self.stack.url}/datasets", json=body, headers=self._headers, timeout=SECONDS)
            if made.is_success:
                httpx.put(
                    f"{self.stack.url}{made.headers['location']}/content",
                    content=self._content,
                    headers=self._headers | {"Content-Type": "application/octet-stream"},
                    timeout=SECONDS,
                )
        except httpx.TransportError:
            return

    def processes(self, worker: Service) -> list[int]:
        """The processes that check something for a worker: children of its slot for tasks."""
        slots = [pid for pid in children(worker.pid) if "worker.task_slot" in command_of(pid)]
        return [pid for slot in slots for pid in children(slot) if COMMAND in command_of(pid)]

    def being_checked(self) -> str | None:
        """The data set whose check runs now."""
        running = select(Task.parent_id).where(Task.state == "running").limit(1)
        return self.stack.patiently(lambda session: session.scalar(running))

    def is_over(self, dataset_id: str) -> bool:
        """Whether a data set was checked, or is rejected."""
        state = select(Dataset.state).where(Dataset.id == dataset_id)
        return self.stack.patiently(lambda session: session.scalar(state)) in ("ready", "rejected")

    def unfinished(self) -> bool:
        """Whether any check is queued or running."""
        waiting = select(Task.id).where(Task.state.in_(("queued", "running"))).limit(1)
        return self.stack.patiently(lambda session: session.scalar(waiting)) is not None

    def states(self) -> dict[str, int]:
        """How many data sets are in which state."""
        found: dict[str, int] = {}
        for state in self.stack.patiently(lambda session: list(session.scalars(select(Dataset.state)))):
            found[state] = found.get(state, 0) + 1
        return found


def strike_check(checks: Checks, workers: list[Service], *, with_worker: bool) -> tuple[str, Service] | None:
    """Kill the process of a check, or the worker that has it; the data set and the worker, None for none."""
    for worker in workers:
        found = checks.processes(worker) if worker.is_up else []
        dataset = checks.being_checked() if found else None
        if dataset is None:
            continue
        if with_worker:
            worker.kill()
        else:
            send(found, signal.SIGKILL)
        return dataset, worker
    checks.offer()
    return None


def wrong_checks(session: Session) -> list[str]:
    """Every data set was checked; only who lost three attempts to kills may be rejected."""
    rows = session.execute(select(Dataset.id, Dataset.state, Dataset.reason)).all()
    return [
        f"data set {id_} is {state} ({reason})"
        for id_, state, reason in rows
        if state == "checking" or (state == "rejected" and reason not in (WORKER_LOST, "check_failed"))
    ]
