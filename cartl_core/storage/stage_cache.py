"""Stage cache: finds a finished stage by digest, or reserves a directory to compute it.

A finished result is given out once its files are proven to be those that were written. A damaged one is
dropped, and the stage is computed again. ``LocalStageCache`` is a folder, for the library and the command;
under a worker ``cartl_core.run.supervised.SupervisedStageCache`` asks the supervisor, who asks SQL.
"""

from __future__ import annotations

import fcntl
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from cartl_core.events import CheckpointWritten, Reporter, StageComputedAnew, StageStored
from cartl_core.planning.stage_digests import StageKey
from cartl_core.planning.superseded import superseded
from cartl_core.storage.atomic_write import write_whole
from cartl_core.storage.checkpoint_files import in_order
from cartl_core.storage.stage_result import damage, discard, is_closed
from cartl_core.storage.stop_flag import StopFlag

POLL_SECONDS = 0.5
BASIS = "basis.json"
"""In each stage's directory: what was asked for, and which recipe and machine compute it."""


Parts = tuple[tuple[int, int], ...]
"""Ranges of images, from the first to before the last, in order and without gaps."""


def computed_anew(key: StageKey, wrong: str) -> StageComputedAnew:
    """The event that says why a finished stage is computed again; ``wrong``: with its result."""
    return StageComputedAnew(
        stage=key.kind, label=key.label, digest=key.digest, why="damaged", words=f"{key.label}: {wrong}"
    )


@dataclass(frozen=True)
class StageLocation:
    """A cache's answer.

    Attributes:
        directory: holds the result when ``finished``; else to be written, by this run alone.
        checkpoints: to go on from, newest first.
        parts: directories of parts that other processes have computed, in the order of their images.
    """

    directory: Path
    finished: bool
    checkpoints: tuple[Path, ...] = ()
    parts: tuple[Path, ...] = ()


class StageCache(Protocol):
    """Where stages' results and checkpoints are kept."""

    def locate(self, key: StageKey, parts: Parts = ()) -> StageLocation:
        """Find a stage's result or a place to compute it. ``parts`` of it may be computed elsewhere before.

        Raises:
            WaitingForStage: others are computing it, or parts of it; this one should come back later.
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

    def locate(self, key: StageKey, parts: Parts = ()) -> StageLocation:
        """See ``StageCache``; waits for another process: there is no queue to go back to, nor for parts."""
        directory = self._stages / key.digest
        if is_closed(directory) and damage(directory) is None:
            return StageLocation(directory, finished=True)
        directory.mkdir(parents=True, exist_ok=True)
        self._lock(key, directory)
        if is_closed(directory):
            wrong = damage(directory)
            if wrong is None:
                self.release(key)
                return StageLocation(directory, finished=True)
            self._report(computed_anew(key, wrong))
            discard(directory)
        self._tell_superseded(key, directory)
        return StageLocation(directory, finished=False, checkpoints=tuple(reversed(in_order(directory))))

    def _tell_superseded(self, key: StageKey, directory: Path) -> None:
        """Say why a stage is computed of which the folder has a result of another recipe or machine."""
        if not key.identity or (directory / BASIS).exists():
            return
        write_whole(directory / BASIS, json.dumps({"identity": key.identity, "basis": key.basis}).encode())
        others = [path for path in self._stages.iterdir() if path != directory and is_closed(path)]
        unnamed = [path for path in others if not (path / BASIS).is_file()]
        known = [json.loads((path / BASIS).read_bytes()) for path in others if path not in unnamed]
        same = [dict(one["basis"]) for one in known if one["identity"] == key.identity]
        if same or (unnamed and key.kind != "evaluate"):
            earlier = same[-1] if same else None
            basis = dict(key.basis)
            self._report(superseded(key.kind, key.label, key.digest, earlier=earlier, basis=basis))

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
