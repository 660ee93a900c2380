"""A deadline for code of others that may hang: past it this process ends, and its worker starts it again."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from worker.host.shutdown import EXIT_CODE

log = logging.getLogger(__name__)


def end_process() -> None:
    """End this process at once, whatever its other threads do."""
    logging.shutdown()
    os._exit(EXIT_CODE)


class Watchdog:
    """Calls ``end`` when something takes longer than ``seconds``."""

    def __init__(
        self,
        seconds: float,
        end: Callable[[], None] = end_process,
        timer: Callable[[float, Callable[[], None]], threading.Timer] = threading.Timer,
    ) -> None:
        self._seconds = seconds
        self._make_timer = timer
        self._end = end
        self._timer: threading.Timer | None = None
        self._what = ""

    @contextmanager
    def watching(self, what: str) -> Iterator[None]:
        """The block has so many seconds; ``what`` it does is for the log."""
        self._what = what
        self._start()
        try:
            yield
        finally:
            self._stop()

    def renew(self) -> None:
        """Something of it is done: it has all its seconds again."""
        if self._timer is not None:
            self._stop()
            self._start()

    def _start(self) -> None:
        self._timer = self._make_timer(self._seconds, self._bark)
        self._timer.daemon = True
        self._timer.start()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _bark(self) -> None:
        log.error("%s took longer than %.0f s: this process ends", self._what, self._seconds)
        self._end()
