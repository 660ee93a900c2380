"""Progress of a run: the share of its predicted seconds that is done, the time left, images a second.

The share hangs on no pace. The time left follows what the run has shown, see ``cartl_core.run.timing``: a
busy neighbour that has gone is forgotten a minute later.

Where stages are computed at a time, a second of one of them counts as its part of a second of the run.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from cartl_core.events import Progress, Reporter, StageMeasured
from cartl_core.planning.estimates.work import START
from cartl_core.planning.stage_digests import StageKey
from cartl_core.run.timing.expected import Expected, RunForecast
from cartl_core.run.timing.forecast import Forecast

RECENT_SECONDS = 15.0
"""Over which images a second are counted."""
WORTH_MEASURING = 0.5
"""Of a stage must be computed in one go for its rate to be kept."""
REPORT = StageKey("evaluate", "report and files", "")


@dataclass
class _AtWork:
    """A stage under way: since when, and the fraction that it had before; lately, when which was done."""

    key: StageKey
    since: float
    before: float
    images: deque[tuple[float, float]] = field(default_factory=deque)


class Meter:
    """Turns the progress of single stages into that of the run, reported at most once a second.

    Each stage that was computed is told with its seconds, from the end of the one before it in its thread.
    Stages of several threads may be under way.

    Args:
        began: when the run's process was started, by ``clock``; None: what is before the first stage is not
            told.
    """

    def __init__(
        self,
        expected: RunForecast,
        report: Reporter,
        *,
        began: float | None = None,
        every_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._expected = expected
        self._report = report
        self._every_seconds = every_seconds
        self._clock = clock
        self._began = began
        self._forecast = Forecast(expected.measured, expected.spreads or {})
        self._fractions = dict.fromkeys(expected.stages, 0.0)
        self._over: frozenset[str] = frozenset()
        """Kinds of work after the last stage that are done."""
        self._after: tuple[str, float] | None = None
        """Of those the one at work: since when."""
        self._after_done = 0.0
        """What is done of it."""
        self._made_at = clock()
        self._marks: dict[int, float] = {}
        """By thread: until here all its time has been counted."""
        self._at_work: dict[str, _AtWork] = {}
        """By digest, in the order in which they began."""
        self._told_at: float | None = None
        self._lock = threading.RLock()

    def replan(self, expected: RunForecast) -> None:
        """From here on these are the stages of the run; what is done of those that stay is kept."""
        with self._lock:
            self._expected = replace(expected, start=self._expected.start)
            self._fractions = {digest: self._fractions.get(digest, 0.0) for digest in expected.stages}

    def waited(self) -> None:
        """This thread had nothing to compute until now: no stage took that time."""
        with self._lock:
            self._mark = self._clock()

    def begin(self, key: StageKey, fraction: float) -> None:
        """A stage is being computed; the ``fraction`` it had done before is not part of the rate."""
        with self._lock:
            if self._began is not None:
                taken = self._clock() - self._began
                self._measured(Expected(START, 0.0), 1.0, taken)
                self._forecast.computed(START, self._expected.start, taken)
                self._began = None
            self._at_work[key.digest] = _AtWork(key, self._mark, fraction)
            self._fractions[key.digest] = fraction
            self._at_work[key.digest].images.append((self._clock(), fraction))
            self._tell(key)

    def advance(self, key: StageKey, fraction: float) -> None:
        """``fraction`` of the stage is done."""
        with self._lock:
            now = self._clock()
            self._count(key, fraction, now)
            if self._told_at is None or now - self._told_at >= self._every_seconds:
                self._tell(key)

    def finish(self, key: StageKey) -> None:
        """A stage is done, computed or found."""
        with self._lock:
            now = self._clock()
            if (at_work := self._at_work.get(key.digest)) is None:
                self._fractions[key.digest] = 1.0
            else:
                self._count(key, 1.0, now)
                self._tell_measured(at_work, now)
            self._mark = now
            self._tell(key)
            self._at_work.pop(key.digest, None)

    def after_stages(self, kind: str | None) -> None:
        """All stages are done, and work of ``kind`` begins; None: nothing is left."""
        with self._lock:
            if self._after is not None and kind == self._after[0]:
                return
            now = self._clock()
            if self._after is None:
                self._mark = max(self._marks.values(), default=self._made_at)
            else:
                self._count_after(1.0, now)
                self._measured(Expected(self._after[0], 0.0), 1.0, now - self._after[1])
            kinds = [*self._expected.after]
            self._over = frozenset(
                kinds if kind is None else kinds[: kinds.index(kind)] if kind in kinds else ()
            )
            self._after, self._after_done = None if kind is None else (kind, now), 0.0
            self._tell(REPORT)

    def advance_after(self, fraction: float, label: str = REPORT.label) -> None:
        """``fraction`` of the work after the stages that is under way is done; it is at ``label``."""
        with self._lock:
            self._count_after(fraction, self._clock())
            self._tell(replace(REPORT, label=label))

    @property
    def _mark(self) -> float:
        """Until here all time of this thread has been counted."""
        return self._marks.get(threading.get_ident(), self._made_at)

    @_mark.setter
    def _mark(self, now: float) -> None:
        self._marks[threading.get_ident()] = now

    def _count_after(self, fraction: float, now: float) -> None:
        """Time and work since the last count, of the work after the stages."""
        if self._after is None:
            return
        kind, fresh = self._after[0], max(0.0, fraction - self._after_done)
        self._forecast.computed(kind, fresh * self._expected.after.get(kind, 0.0), now - self._mark)
        self._mark, self._after_done = now, max(fraction, self._after_done)

    def _count(self, key: StageKey, fraction: float, now: float) -> None:
        """Time and work since the last count."""
        fresh = max(0.0, fraction - self._fractions.get(key.digest, 0.0))
        if (stage := self._expected.stages.get(key.digest)) is not None:
            taken = (now - self._mark) / self._expected.at_once
            self._forecast.computed(stage.kind, fresh * stage.seconds, taken)
        self._mark = now
        self._fractions[key.digest] = fraction
        if (at_work := self._at_work.get(key.digest)) is not None:
            at_work.images.append((now, fraction))
            while len(at_work.images) > 2 and at_work.images[1][0] <= now - RECENT_SECONDS:
                at_work.images.popleft()

    def _tell_measured(self, done: _AtWork, now: float) -> None:
        stage = self._expected.stages.get(done.key.digest)
        if stage is not None and 1 - done.before >= WORTH_MEASURING:
            self._measured(stage, 1 - done.before, (now - done.since) / self._expected.at_once)

    def _measured(self, stage: Expected, fraction: float, seconds: float) -> None:
        if seconds > 0:
            self._report(
                StageMeasured(
                    kind=stage.kind,
                    size_class=self._expected.size_class,
                    macs=stage.macs * fraction,
                    batches=stage.batches * fraction,
                    seconds=seconds,
                )
            )

    def _tell(self, key: StageKey) -> None:
        """Of several stages at work the one that began first is told; ``key`` where there is none."""
        key = next((one.key for one in self._at_work.values()), key)
        self._told_at = self._clock()
        expected, stages = self._expected, self._expected.stages
        done = {digest: stage.seconds * self._fractions[digest] for digest, stage in stages.items()}
        outside = expected.start + sum(expected.after.values())
        whole = outside + sum(stage.seconds for stage in stages.values())
        so_far = outside - sum(self._after_left().values()) + sum(done.values())
        self._report(
            Progress(
                stage=key.kind,
                label=key.label,
                fraction=min(1.0, so_far / whole) if whole else 1.0,
                seconds_left=self._seconds_left(done),
                images_per_second=self._images_per_second(key),
            )
        )

    def _seconds_left(self, done: Mapping[str, float]) -> float:
        factors = self._forecast.factors()
        left = self._expected.until_done(
            {
                digest: (stage.seconds - done[digest]) * factors.of(stage.kind)
                for digest, stage in self._expected.stages.items()
            }
        )
        left += sum(seconds * factors.of(kind) for kind, seconds in self._after_left().items())
        return max(0.0, left * self._forecast.pace_now(factors))

    def _after_left(self) -> dict[str, float]:
        """Predicted seconds of what comes after the last stage, by the kind of work."""
        at_work = self._after[0] if self._after else None
        return {
            kind: seconds * (1 - self._after_done if kind == at_work else 1.0)
            for kind, seconds in self._expected.after.items()
            if kind not in self._over
        }

    def _images_per_second(self, key: StageKey) -> float | None:
        stage, at_work = self._expected.stages.get(key.digest), self._at_work.get(key.digest)
        if stage is None or at_work is None or len(at_work.images) < 2:
            return None
        (since, before), (now, fraction) = at_work.images[0], at_work.images[-1]
        if now <= since or fraction <= before:
            return None
        return (fraction - before) * stage.images / (now - since)
