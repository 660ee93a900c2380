"""The measured rates that estimates stand on, read from the database once in a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sqlalchemy.orm import Session, sessionmaker

from cartl_core.planning.estimates.rates import MeasuredRate
from jobs import store
from jobs.database.engine import reading

FRESH_SECONDS = 10.0
"""For so long what was read is answered again: a rate moves slowly."""


class KnownRates:
    """What ``jobs.store.measured_rates`` told lately."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        *,
        fresh_seconds: float = FRESH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions = sessions
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._newest = 0
        self._measured: tuple[MeasuredRate, ...] = ()

    def measured(self) -> tuple[MeasuredRate, ...]:
        """Of every machine, the one that measured last first; read anew where a stage was measured since."""
        with self._lock:
            now = self._clock()
            if self._read_at is None or now - self._read_at >= self._fresh_seconds:
                self._read()
                self._read_at = now
            return self._measured

    def _read(self) -> None:
        with reading(self._sessions) as session:
            newest = store.newest_rate(session)
            if newest != self._newest:
                self._measured, self._newest = store.measured_rates(session), newest
