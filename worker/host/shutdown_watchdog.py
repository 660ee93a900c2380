"""A worker that was asked to stop, and cannot, ends all the same.

Celery's main loop may hang for good, e.g. after its broker died while it was itself suspended. Whoever stops
it would wait and kill it in the end; it had better end itself in time. Its pool processes are told by the
system and put their jobs back; what they do not put back, the lease does.
"""

from __future__ import annotations

import logging
import os
import threading

LEEWAY_SECONDS = 8.0
"""Beyond what runs get to checkpoint; together less than the stack's ``stop_grace_period``."""
EXIT_CODE = 70
"""EX_SOFTWARE of sysexits.h."""

log = logging.getLogger(__name__)


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
