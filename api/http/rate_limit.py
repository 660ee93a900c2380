"""How often something may happen: token buckets in the memory of this process, one for each caller."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from api.http.problems import Problem

MAX_CALLERS = 10_000


class Bucket:
    """``burst`` tokens at first and at most, refilled at ``rate`` tokens a second."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._tokens = self._burst
        self._at = clock()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take one token; False when there is none."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now
            allowed = self._tokens >= 1
            self._tokens -= allowed
            return allowed

    @property
    def wait(self) -> float:
        """Seconds until there is a token, as of the last ``take``."""
        return max(0.0, (1 - self._tokens) / self._rate)


class RateLimit:
    """A bucket for each caller.

    The callers asked least recently are forgotten beyond ``MAX_CALLERS``; a forgotten caller starts with a
    full bucket.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, caller: str) -> None:
        """Take one token of ``caller``.

        Raises:
            Problem: the bucket is empty (429, with ``Retry-After`` in seconds).
        """
        bucket = self._bucket_of(caller)
        if not bucket.take():
            wait = max(1, math.ceil(bucket.wait))
            raise Problem(
                "too-many-requests",
                f"At most {self._rate:g} requests a second, {self._burst:g} at once. Try again in {wait} s.",
                headers={"Retry-After": str(wait)},
            )

    def _bucket_of(self, caller: str) -> Bucket:
        with self._lock:
            bucket = self._buckets.pop(caller, None) or Bucket(self._rate, self._burst, self._clock)
            self._buckets[caller] = bucket
            if len(self._buckets) > MAX_CALLERS:
                self._buckets.popitem(last=False)
            return bucket
