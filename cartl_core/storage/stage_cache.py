"""Stage cache: finds a finished stage by digest, or reserves a directory to compute it.

The pipeline asks a cache for each stage. ``LocalStageCache`` is a folder, for the library and the command;
under a worker ``cartl_core.run.supervised.SupervisedStageCache`` asks the supervisor, who asks SQL.
"""

from __future__ import annotations

import fcntl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from cartl_core.events import CheckpointWritten, Reporter, StageStored
from cartl_core.planning.stage_digests import StageKey
from cartl_core.storage.checkpoint_files import in_order
from cartl_core.storage.stage_result import is_whole
from cartl_core.storage.stop_flag import StopFlag

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class StageLocation:
    """A cache's answer.

    Attributes:
        directory: holds the result when ``finished``; else to be written, by this run alone.
        checkpoints: to go on from, newest first.
    """

    directory: Path
    finished: bool
    checkpoints: tuple[Path, ...] = ()


class StageCache(Protocol):
    """Where stages' results and checkpoints are kept."""

    def locate(self, key: StageKey) -> StageLocation:
        """Find a stage's result or a place to compute it.

        Raises:
            WaitingForStage: another run is computing it; this one should come back later.
        """

    def checkpointed(self, key: StageKey, path: Path, fraction: float) -> None:
        """A checkpoint is complete on disk."""

    def stored(self, key: StageKey, directory: Path) -> None:
        """A stage's result is complete on disk."""

    def release(self, key: StageKey) -> None:
        """This run computes the stage no longer, whether or not it was finished."""


class LocalStageCache:
    """A folder ``stages/DIGEST``; of several processes that want one stage, one computes, the others wait.

    Args:
        stages: the folder; made when missing.
        report: told of checkpoints and results.
        stop: looked at while waiting for another process.
    """

    def __init__(self, stages: Path, report: Reporter, stop: StopFlag) -> None:
        self._stages = stages
        self._report = report
        self._stop = stop
        self._locks: dict[str, IO[bytes]] = {}

    def locate(self, key: StageKey) -> StageLocation:
        """See ``StageCache``; waits for another process: there is no queue to go back to."""
        directory = self._stages / key.digest
        if is_whole(directory):
            return StageLocation(directory, finished=True)
        directory.mkdir(parents=True, exist_ok=True)
        self._lock(key, directory)
        if is_whole(directory):
            self.release(key)
            return StageLocation(directory, finished=True)
        return StageLocation(directory, finished=False, checkpoints=tuple(reversed(in_order(directory))))

    def checkpointed(self, key: StageKey, path: Path, fraction: float) -> None:
        """Report it with its path relative to the stages folder."""
        relative = path.relative_to(self._stages).as_posix()
        self._report(CheckpointWritten(stage=key.kind, digest=key.digest, path=relative, fraction=fraction))

    def stored(self, key: StageKey, directory: Path) -> None:
        """Report it with its path relative to the stages folder."""
        relative = directory.relative_to(self._stages).as_posix()
        self._report(StageStored(stage=key.kind, digest=key.digest, path=relative))

    def release(self, key: StageKey) -> None:
        """Let go of the lock; the operating system does so for a process that dies."""
        if lock := self._locks.pop(key.digest, None):
            lock.close()

    def _lock(self, key: StageKey, directory: Path) -> None:
        lock = (directory / ".lock").open("wb")
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                try:
                    self._stop.check()
                except BaseException:
                    lock.close()
                    raise
                time.sleep(POLL_SECONDS)
        self._locks[key.digest] = lock
