"""A process beside a worker's main process, as that one sees it: started, started again, ended.

The slot for tasks is one, each tracker another.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence

from worker.host.companion import PARENT
from worker.host.fork_lock import no_fork

COMMAND = (sys.executable, "-m", "worker.task_slot")
END_SECONDS = 10.0
"""Longer than it takes to end a task's process and to put the task back."""

log = logging.getLogger(__name__)


class TaskSlotProcess:
    """At most one process at a time, until ``end``.

    Args:
        name: for the log.
    """

    def __init__(self, command: Sequence[str] = COMMAND, name: str = "the slot for tasks") -> None:
        self._name = name
        self._command = tuple(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._ending = False

    def keep(self) -> None:
        """Start it, if it is not there. It dies with the thread that calls this."""
        with self._lock:
            if self._ending or (self._process is not None and self._process.poll() is None):
                return
            if self._process is not None:
                log.warning("%s ended (%d); it is started again", self._name, self._process.returncode)
            # A pool process that is forked meanwhile would keep the pipe open that tells of success.
            with no_fork():
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    env=os.environ | {PARENT: str(os.getpid())},
                )

    def ask_to_end(self) -> None:
        """Let it put its task back; returns at once."""
        self._ending = True
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()

    def end(self) -> None:
        """Wait until it has ended; one that hangs is killed, and the lease does the rest."""
        self.ask_to_end()
        with self._lock:
            if self._process is None:
                return
            self._process.terminate()
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                log.warning("%s did not end; it is killed", self._name)
                self._process.kill()
                self._process.wait()


class Companions:
    """All processes beside the main one of a worker."""

    def __init__(self, processes: Sequence[TaskSlotProcess]) -> None:
        self._processes = tuple(processes)

    def keep(self) -> None:
        """Start those that are not there."""
        for process in self._processes:
            process.keep()

    def ask_to_end(self) -> None:
        """Let them give back what they hold; returns at once."""
        for process in self._processes:
            process.ask_to_end()

    def end(self) -> None:
        """Wait until all have ended."""
        self.ask_to_end()
        for process in self._processes:
            process.end()
