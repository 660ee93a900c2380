"""How long until what a fault struck is put right: measured while other faults strike.

A struck run has recovered when its job was claimed again or has ended. Of that time the part in which
the job was free to be claimed and every slot ran another job is queueing, which is told apart. A
server that was struck has recovered when it answers, and what hung on it when every job that ran then
was heard of again.
"""

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
    reason: str | None
    token: int
    heartbeat: float
    """Seconds since 1970, by the database's clock, which is this machine's."""
    fraction: float
    is_claimable: bool

    @property
    def is_retried(self) -> bool:
        """Failed as it had to, and left by a person's retry."""
        return self.state == JobState.FAILED and self.reason == "disk_full"

    @property
    def is_over(self) -> bool:
        return self.state.is_terminal and not self.is_retried


Look = dict[str, Sight]
Test = Callable[[Look], bool]


def taken_up(job_id: str, token: int) -> Test:
    """Claimed anew, or ended."""

    def test(look: Look) -> bool:
        sight = look.get(job_id)
        return sight is not None and (sight.token > token or sight.is_over)

    return test


def set_free(job_id: str, token: int) -> Test:
    """No longer held by the claim that was struck: may be claimed, however long the queue is."""

    def test(look: Look) -> bool:
        sight = look.get(job_id)
        return sight is not None and (sight.token > token or sight.state != JobState.RUNNING)

    return test


def all_heard_of(claims: dict[str, int], after: float) -> Test:
    """The workers of all these claims renewed their leases after ``after``, or the claims have ended."""

    def heard(look: Look, job_id: str, token: int) -> bool:
        sight = look.get(job_id)
        return sight is not None and (
            sight.heartbeat > after or sight.token > token or sight.state != JobState.RUNNING
        )

    return lambda look: all(heard(look, job_id, token) for job_id, token in claims.items())


def claims_made(look: Look) -> int:
    return sum(sight.token for sight in look.values())


def claimed_since(before: Look) -> Test:
    """Any job was claimed."""
    made = claims_made(before)
    return lambda look: claims_made(look) > made


@dataclass
class Wound:
    """Something to recover from.

    Attributes:
        free: the job is no longer held by the claim that was struck.
        queues: nothing is owed but a slot, and none is idle.
        freed: seconds until it was free; None while it is not, or where there is nothing to free.
        queued: seconds of queueing.
    """

    kind: str
    test: Test
    at: float
    free: Test = lambda look: False
    queues: Test = lambda look: False
    seconds: float | None = None
    freed: float | None = None
    queued: float = 0.0


@dataclass
class Recoveries:
    """All wounds of a campaign, and how many strikes there were of each kind."""

    slots: int
    wounds: list[Wound] = field(default_factory=list)
    strikes: dict[str, int] = field(default_factory=dict)
    seen_at: float = field(default_factory=time.monotonic)

    def struck(self, kind: str) -> None:
        self.strikes[kind] = self.strikes.get(kind, 0) + 1

    def expect_job(self, kind: str, job_id: str, token: int) -> None:
        """The job of this claim must be taken up again."""
        free = set_free(job_id, token)
        self.wounds.append(
            Wound(
                kind,
                taken_up(job_id, token),
                time.monotonic(),
                free,
                queues=lambda look: free(look) and self._busy(look),
            )
        )

    def expect(self, kind: str, test: Test, at: float | None = None) -> None:
        self.wounds.append(Wound(kind, test, at=time.monotonic() if at is None else at))

    def expect_claims(self, kind: str, look: Look, at: float) -> None:
        """Jobs must be claimed again, unless there is none to claim or no slot for it."""
        self.wounds.append(
            Wound(
                kind,
                claimed_since(look),
                at,
                queues=lambda now: self._busy(now) or not _any_claimable(now),
            )
        )

    def observe(self, look: Look) -> None:
        now = time.monotonic()
        passed, self.seen_at = now - self.seen_at, now
        for wound in self.open:
            if wound.freed is None and wound.free(look):
                wound.freed = now - wound.at
            if wound.test(look):
                wound.seconds = now - wound.at
            elif wound.queues(look):
                wound.queued += min(passed, now - wound.at)

    @property
    def open(self) -> list[Wound]:
        return [wound for wound in self.wounds if wound.seconds is None]

    @property
    def kinds(self) -> list[str]:
        return list(dict.fromkeys(wound.kind for wound in self.wounds))

    def healed(self, kind: str | None = None) -> list[Wound]:
        """Of one kind, or of all."""
        return [wound for wound in self.wounds if wound.seconds is not None and kind in (None, wound.kind)]

    def _busy(self, look: Look) -> bool:
        return sum(sight.state == JobState.RUNNING for sight in look.values()) >= self.slots


def _any_claimable(look: Look) -> bool:
    return any(sight.is_claimable for sight in look.values())


def own(wounds: list[Wound]) -> list[float]:
    """Seconds that recovery itself took, sorted."""
    return sorted((wound.seconds or 0.0) - wound.queued for wound in wounds)


def whole(wounds: list[Wound]) -> list[float]:
    """Seconds with queueing, sorted."""
    return sorted(wound.seconds or 0.0 for wound in wounds)


def freed(wounds: list[Wound]) -> list[float]:
    """Seconds until jobs were free to be claimed, sorted."""
    return sorted(wound.freed for wound in wounds if wound.freed is not None)


def percentile(values: list[float], share: float) -> float:
    """The smallest of the sorted ``values`` that ``share`` of them do not exceed; NaN for none."""
    return values[max(math.ceil(share * len(values)) - 1, 0)] if values else math.nan


def row(values: list[float]) -> str:
    """Median, p95 and the longest, in words."""
    if not values:
        return ""
    return f"{median(values):.1f}, {percentile(values, 0.95):.1f}, {values[-1]:.1f}"
