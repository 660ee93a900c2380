"""Retention that runs by itself: one worker at a time prunes, in a process beside it."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Sequence

from sqlalchemy.orm import Session, sessionmaker

from jobs import store
from jobs.database.engine import transaction
from jobs.store.submit import new_id
from worker.host.fork_lock import no_fork

LOCK = "pruner"
"""The name of the lease in the table of locks: it lasts until the next prune is due."""
COMMAND = (sys.executable, "-m", "jobs", "prune")
DAY = 86_400.0
END_SECONDS = 10.0

log = logging.getLogger(__name__)


class Pruning:
    """Starts `python -m jobs prune` when no worker has for ``every_days``; None: never.

    It is a process, since it may take minutes: heartbeats go on meanwhile. A prune that is killed leaves
    files that the next one removes.
    """

    def __init__(self, every_days: float | None, command: Sequence[str] = COMMAND) -> None:
        self._every_days = every_days
        self._command = tuple(command)
        self._process: subprocess.Popen[bytes] | None = None

    def look(self, factory: sessionmaker[Session]) -> bool:
        """Take the turn to prune, if it is due; True where this worker is to ``begin``."""
        if self._every_days is None or self._runs():
            return False
        with transaction(factory) as session:
            # A holder of its own each time, so that even this worker waits until the lease is over.
            return store.hold_lock(session, LOCK, new_id(), self._every_days * DAY)

    def begin(self) -> None:
        """Start the process; what it says goes where this worker's records go."""
        log.info("pruning")
        with no_fork():  # a pool process that is forked meanwhile would keep a pipe of it open
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )

    def end(self) -> None:
        """End the process, if it runs."""
        if self._process is None or not self._runs():
            return
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _runs(self) -> bool:
        if self._process is None:
            return False
        code = self._process.poll()
        if code is None:
            return True
        self._process = None
        if code:
            log.warning("the prune ended with %d", code)
        return False
