"""How long until what a fault struck goes on: measured while other faults strike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from jobs.state import JobState


@dataclass(frozen=True)
class Sight:
    """One job at one look."""

    state: JobState
    token: int
    heartbeat: float
    """Seconds since 1970, by the database's clock, which is this machine's."""


Look = dict[str, Sight]
Test = Callable[[Look], bool]


def taken_up(job_id: str, token: int) -> Test:
    """Claimed anew, or ended."""

    def test(look: Look) -> bool:
        sight = look.get(job_id)
        return sight is not None and (sight.token > token or sight.state.is_terminal)

    return test


def set_free(job_id: str, token: int) -> Test:
    """No longer held by the claim that was struck: may be claimed, however long the queue is."""

    def test(look: Look) -> bool:
        sight = look.get(job_id)
        return sight is not None and (sight.token > token or sight.state != JobState.RUNNING)

    return test


def heard_of(job_id: str, token: int, after: float) -> Test:
    """Its worker renewed the lease after ``after``, or the claim has ended in any way."""

    def test(look: Look) -> bool:
        sight = look.get(job_id)
        return sight is not None and (
            sight.heartbeat > after or sight.token > token or sight.state != JobState.RUNNING
        )

    return test


@dataclass
class Wound:
    """Something to recover from."""

    kind: str
    test: Test
    at: float = field(default_factory=time.monotonic)
    seconds: float | None = None


@dataclass
class Recoveries:
    """All wounds of a campaign, and how many strikes there were of each kind."""

    wounds: list[Wound] = field(default_factory=list)
    strikes: dict[str, int] = field(default_factory=dict)

    def struck(self, kind: str) -> None:
        self.strikes[kind] = self.strikes.get(kind, 0) + 1

    def expect(self, kind: str, test: Test) -> None:
        self.wounds.append(Wound(kind, test))

    def observe(self, look: Look) -> None:
        now = time.monotonic()
        for wound in self.open:
            if wound.test(look):
                wound.seconds = now - wound.at

    @property
    def open(self) -> list[Wound]:
        return [wound for wound in self.wounds if wound.seconds is None]

    def seconds(self, kind: str | None = None) -> list[float]:
        """Sorted; of one kind, or of all."""
        return sorted(
            wound.seconds for wound in self.wounds if wound.seconds is not None and kind in (None, wound.kind)
        )


def percentile(values: list[float], share: float) -> float:
    """The smallest of the sorted ``values`` that ``share`` of them do not exceed; NaN for none."""
    return values[max(math.ceil(share * len(values)) - 1, 0)] if values else math.nan


def row(values: list[float]) -> tuple[str, str, str]:
    """Median, p95 and the longest, in words."""
    if not values:
        return ("-", "-", "-")
    return (f"{median(values):.1f}", f"{percentile(values, 0.95):.1f}", f"{values[-1]:.1f}")
