"""Where faults strike, and what they leave to be done later."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from jobs.state import JobState
from tests.chaos.judging.checks import Checks
from tests.chaos.judging.invariants import claim_of
from tests.chaos.judging.recovery import Look, Recoveries, all_heard_of
from tests.chaos.load import Load
from tests.chaos.service import Service
from tests.chaos.stack import Stack

PERSON_SECONDS = 2.0
"""Until a person looks again whether a job can be retried."""


@dataclass(frozen=True)
class Due:
    """Something to be done once it may be, and at the latest when it must."""

    earliest: float
    latest: float
    may: Callable[[], bool]
    action: Callable[[], object]

    def is_ready(self, now: float) -> bool:
        return now >= self.latest or (now >= self.earliest and self.may())


@dataclass
class Field:
    """What a fault may touch.

    Attributes:
        look: the jobs as they were seen last.
        may_be_cancelled: jobs that somebody asked to cancel.
        effects: what strikes brought about, counted.
        due: what is to be undone, and when.
        checks: of data sets, beside the jobs.
    """

    stack: Stack
    load: Load
    recoveries: Recoveries
    draw: random.Random
    away_seconds: float
    look: Look = field(default_factory=dict)
    may_be_cancelled: set[str] = field(default_factory=set)
    effects: Counter[str] = field(default_factory=Counter)
    due: list[Due] = field(default_factory=list)
    person_looks_at: float = 0.0

    def __post_init__(self) -> None:
        self.checks = Checks(self.stack)

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        at = time.monotonic() + seconds
        self.due.append(Due(at, at, lambda: True, action))

    def once(
        self, effective: Callable[[], bool], seconds: float, at_most: float, action: Callable[[], object]
    ) -> None:
        """Undo a fault after ``seconds``, but not before it was ``effective``, unless that takes too long."""
        now = time.monotonic()
        self.due.append(Due(now + seconds, now + at_most, effective, action))

    def act(self, *, everything: bool = False) -> None:
        """Do what is due; be the person who retries what a full disk failed."""
        now = time.monotonic()
        ready = [due for due in self.due if everything or due.is_ready(now)]
        self.due = [due for due in self.due if due not in ready]
        for due in sorted(ready, key=lambda due: due.earliest):
            due.action()
        if now >= self.person_looks_at and not self.stack.disk.is_full:
            self.person_looks_at = now + PERSON_SECONDS
            self._retry()

    def _retry(self) -> None:
        for job_id, sight in self.look.items():
            if sight.is_retried and job_id in self.load.key_of and self.load.post(job_id, "retry"):
                self.effects["jobs failed disk_full, and retried"] += 1
                self.recoveries.expect_job("disk full (from the retry)", job_id, sight.token)

    def running(self) -> dict[str, int]:
        return {job_id: sight.token for job_id, sight in self.look.items() if sight.state == JobState.RUNNING}

    def wound(self, kind: str, claims: list[tuple[str, int]]) -> None:
        """The jobs of these claims must be taken up again."""
        for job_id, token in claims:
            self.recoveries.expect_job(kind, job_id, token)

    def wound_all(self, kind: str, at: float) -> None:
        """Every running job must be heard of from now on; ``at``: when the fault struck."""
        self.recoveries.expect(kind, all_heard_of(self.running(), time.time()), at)

    def one_of(self, workers: list[Service]) -> Service | None:
        return self.draw.choice(workers) if workers else None


def claims_of(runs: list[int]) -> list[tuple[str, int]]:
    return [claim for pid in runs if (claim := claim_of(pid)) is not None]
