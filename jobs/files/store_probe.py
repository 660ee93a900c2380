"""Does the object store answer? For readiness: asked seldom, and waited for briefly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from cartl_core.storage.bucket import Bucket, Patience, StoreUnavailable
from jobs.settings import Settings
from jobs.store_settings import forget_empty_variables

BRIEF = Patience(connect_seconds=2.0, request_seconds=2.0, retries=0, retry_seconds=2.0)
LOOK_SECONDS = 10.0


class StoreProbe:
    """What is wrong with the object store, looked at once in ``seconds`` at most, each time for 2 s at most.

    It asks for a list, which needs the right to list and reads no file.
    """

    def __init__(
        self,
        settings: Settings,
        seconds: float = LOOK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = settings.store
        self._seconds, self._clock = seconds, clock
        self._bucket: Bucket | None = None
        self._found: str | None = None
        self._good_until = -math.inf

    def trouble(self) -> str | None:
        """In words; None where it answers, and where files lie in directories."""
        if not self._url:
            return None
        if self._clock() >= self._good_until:
            self._found = self._look()
            self._good_until = self._clock() + self._seconds
        return self._found

    def _look(self) -> str | None:
        try:
            if self._bucket is None:
                forget_empty_variables()
                self._bucket = Bucket(self._url, patience=BRIEF)
            next(self._bucket.list("deployment"), None)
        except StoreUnavailable as error:
            return error.strerror
        return None
