"""Progress of a run: the share of its work that is done, and the time left at the pace of the last minute.

The share is of estimated cost, so it hangs on no pace. The time left does not hang on how slow the run was
before: a busy neighbour that has gone is forgotten a minute later.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping

from cartl_core.events import Progress, Reporter
from cartl_core.planning.stage_digests import StageKey

PACE_SECONDS = 60.0
"""Of computing: as far back as the pace is measured."""


class Meter:
    """Turns the progress of single stages into that of the run, reported at most once a second.

    Args:
        costs: of every stage of the run, by digest.
    """

    def __init__(
        self,
        costs: Mapping[str, float],
        report: Reporter,
        *,
        every_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._costs = dict(costs)
        self._report = report
        self._every_seconds = every_seconds
        self._clock = clock
        self._fractions = dict.fromkeys(self._costs, 0.0)
        self._computed = 0.0
        self._computing_since: float | None = None
        self._computing_from = 0.0
        self._seconds = 0.0
        self._past: deque[tuple[float, float]] = deque([(0.0, 0.0)])
        self._told_at: float | None = None

    def replan(self, costs: Mapping[str, float]) -> None:
        """From here on these are the stages of the run; what is done of those that stay is kept."""
        self._costs = dict(costs)
        self._fractions = {digest: self._fractions.get(digest, 0.0) for digest in self._costs}

    def begin(self, fraction: float) -> None:
        """A stage is being computed; the ``fraction`` it had done before is not part of the rate."""
        self._computing_since = self._clock()
        self._computing_from = fraction

    def advance(self, key: StageKey, fraction: float) -> None:
        """``fraction`` of the stage is done."""
        self._fractions[key.digest] = fraction
        now = self._clock()
        if self._told_at is None or now - self._told_at >= self._every_seconds:
            self._told_at = now
            self._tell(key)

    def finish(self, key: StageKey) -> None:
        """A stage is done, computed or found."""
        if self._computing_since is not None:
            self._seconds += self._clock() - self._computing_since
            self._computed += (1.0 - self._computing_from) * self._costs.get(key.digest, 0.0)
            self._computing_since = None
        self._fractions[key.digest] = 1.0
        self._told_at = self._clock()
        self._tell(key)

    def _tell(self, key: StageKey) -> None:
        whole = sum(self._costs.values())
        done = sum(cost * self._fractions[digest] for digest, cost in self._costs.items())
        self._report(
            Progress(
                stage=key.kind,
                label=key.label,
                fraction=min(1.0, done / whole) if whole else 1.0,
                seconds_left=self._seconds_left(key, whole - done),
            )
        )

    def _seconds_left(self, key: StageKey, cost_left: float) -> float | None:
        seconds, computed = self._seconds, self._computed
        if self._computing_since is not None:
            seconds += self._clock() - self._computing_since
            fresh = self._fractions[key.digest] - self._computing_from
            computed += max(0.0, fresh) * self._costs.get(key.digest, 0.0)
        if computed <= 0 or seconds <= 0:
            return None
        return max(0.0, cost_left / self._pace(seconds, computed))

    def _pace(self, seconds: float, computed: float) -> float:
        """Cost a second over the last minute; of the whole run where nothing was done in it."""
        while len(self._past) > 1 and self._past[1][0] <= seconds - PACE_SECONDS:
            self._past.popleft()
        since, before = self._past[0]
        if self._past[-1][0] < seconds:
            self._past.append((seconds, computed))
        recent = computed - before
        return recent / (seconds - since) if recent > 0 and seconds > since else computed / seconds
