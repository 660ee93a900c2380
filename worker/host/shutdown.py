"""Shutdown of a worker: the flag that tells its pool processes, and the watchdog that ends it if it hangs.

Celery waits for running tasks in a warm shutdown and tells them nothing. A supervisor would run its job to
the end, for hours. So main and pool processes share one byte of memory: main sets it, supervisors look at it.

Celery's main loop may hang for good, e.g. after its broker died while it was itself suspended. Whoever stops
it would wait and kill it in the end; it had better end itself in time. Its pool processes are told by the
system and put their jobs back; what they do not put back, the lease does.
"""

from __future__ import annotations

import logging
import mmap
import os
import threading

LEEWAY_SECONDS = 8.0
"""Beyond what runs get to checkpoint; together less than the stack's ``stop_grace_period``."""
EXIT_CODE = 70
"""EX_SOFTWARE of sysexits.h."""

log = logging.getLogger(__name__)


class ShutdownFlag:
    """Made in the main process before it forks its pool; each process that inherits it sees the same byte."""

    def __init__(self) -> None:
        self._byte = mmap.mmap(-1, 1)
        self._maker = os.getpid()

    @property
    def is_set(self) -> bool:
        """True once the maker has set it or is gone: no more jobs, and supervisors stop theirs."""
        if self._byte[0]:
            return True
        return self._maker not in (os.getpid(), os.getppid())

    def set(self) -> None:
        """Begin the shutdown. Safe in a signal handler."""
        self._byte[0] = 1


def end_after(seconds: float) -> threading.Timer:
    """End this process after so many seconds, whatever its other threads do; returns the timer, started."""
    timer = threading.Timer(seconds, _end, (seconds,))
    timer.daemon = True
    timer.start()
    return timer


def _end(seconds: float) -> None:
    log.error("the worker did not stop within %.0f s of being asked: it ends now", seconds)
    logging.shutdown()
    os._exit(EXIT_CODE)
