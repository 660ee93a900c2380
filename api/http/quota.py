"""Per-owner quota of queued jobs, with a cached count: exact only near the limit.

Within ``SECONDS`` of a count, jobs that come through this process are subtracted from what it left. What
comes through other processes is not seen meanwhile: ``MARGIN`` is more than they take of one owner in that
time. Closer to the limit than that every job is counted, and the limit is exact.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sqlalchemy.orm import Session

from jobs import store
from jobs.quotas import Limits

SECONDS = 1.0
MARGIN = 2000
MOST_OWNERS = 10_000


class QueueQuota:
    """How many more jobs each owner may queue, in the memory of this process; ``limits``: of the settings."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._left: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def take(self, session: Session, owner: str) -> None:
        """Take a place for one more job of ``owner``, in the transaction that stores it.

        Raises:
            TooManyJobs: there is none.
            QuotaExceeded: device seconds or stored bytes are used up.
        """
        if self._take_known(owner):
            return
        now = self._clock()
        left = store.remaining_quota(session, owner, self._limits)
        with self._lock:
            if len(self._left) >= MOST_OWNERS:
                self._left.clear()
            self._left[owner] = left - 1, now

    def _take_known(self, owner: str) -> bool:
        """Take a place that is known to be there; False where the jobs must be counted first."""
        now = self._clock()
        with self._lock:
            left, counted_at = self._left.get(owner, (0, now))
            if left <= MARGIN or now - counted_at >= SECONDS:
                return False
            self._left[owner] = left - 1, counted_at
            return True
