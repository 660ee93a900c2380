"""How a worker's main process tells its pool processes that it is shutting down.

Celery waits for running tasks in a warm shutdown and tells them nothing. A supervisor would run its
job to the end, for hours. So main and pool processes share one byte of memory: the door is open
until main shuts it, and the supervisors look at it.
"""

from __future__ import annotations

import mmap
import os

OPEN, SHUT = 0, 1


class Door:
    """Made in the main process before it forks its pool; each process that inherits it sees the same byte."""

    def __init__(self) -> None:
        self._byte = mmap.mmap(-1, 1)
        self._maker = os.getpid()

    @property
    def is_open(self) -> bool:
        """False once the maker has shut it or is gone."""
        if self._byte[0] == SHUT:
            return False
        return os.getpid() == self._maker or os.getppid() == self._maker

    def shut(self) -> None:
        """No more jobs; supervisors stop theirs. Safe in a signal handler."""
        self._byte[0] = SHUT
