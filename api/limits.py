"""How fast one caller may ask: a token bucket each, in the memory of this process."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from api.problems import Problem

MAX_CALLERS = 10_000


class RateLimit:
    """A bucket of ``burst`` tokens for each caller, refilled at ``rate`` tokens a second.

    The callers asked least recently are forgotten beyond ``MAX_CALLERS``; a forgotten caller starts with a
    full bucket.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, caller: str) -> None:
        """Take one token of ``caller``.

        Raises:
            Problem: the bucket is empty (429, with ``Retry-After`` in seconds).
        """
        with self._lock:
            now = self._clock()
            tokens, at = self._buckets.get(caller, (self._burst, now))
            tokens = min(self._burst, tokens + (now - at) * self._rate)
            allowed = tokens >= 1
            self._buckets[caller] = (tokens - 1 if allowed else tokens, now)
            self._buckets.move_to_end(caller)
            if len(self._buckets) > MAX_CALLERS:
                self._buckets.popitem(last=False)
        if not allowed:
            wait = max(1, math.ceil((1 - tokens) / self._rate))
            raise Problem(
                "too-many-requests",
                f"At most {self._rate:g} requests a second, {self._burst:g} at once. Try again in {wait} s.",
                headers={"Retry-After": str(wait)},
            )
