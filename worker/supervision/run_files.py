"""The files of one run, between its own folders and the stores of the deployment.

A run works on local paths. Where the stores are directories, those are its paths. Where they lie in a bucket,
the run has a folder of its own on this host, with the same keys below it. What the run needs is copied there
before, and what it has made is put into the bucket before its row is written: a row names nothing that other
hosts cannot read. Each claim has keys of its own, so a late worker spoils nothing.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from cartl_core.storage.atomic_write import Stat, make_directory
from cartl_core.storage.checkpoint_files import PART, number_of
from cartl_core.storage.s3_store import S3Store
from cartl_core.storage.stage_origin import ORIGIN
from cartl_core.storage.stage_result import RESULT, files_of
from jobs.files.stores import artifact_store, stage_store
from jobs.settings import Settings
from jobs.store import Claim
from jobs.store.stages import claim_directory

RUNS, LOCKS = "runs", ".locks"


class RunFiles(Protocol):
    """Every method raises ``OSError`` where a disk or the object store fails.

    Attributes:
        here: the settings by which the run finds its files.
    """

    here: Settings

    def bring_inputs(self, claim: Claim) -> None:
        """What the run reads of what people brought is on this host."""

    def has(self, path: str) -> bool:
        """Whether a stage's directory, or a checkpoint, is there for all hosts; relative to the stages."""

    def bring(self, path: str) -> None:
        """It is on this host."""

    def keep_checkpoint(self, path: str) -> None:
        """A checkpoint is there for all hosts."""

    def keep_stage(self, path: str) -> None:
        """The result of a stage is there for all hosts, its last file last."""

    def keep_part(self, path: str) -> None:
        """A part of a measurement is there for all hosts."""

    def keep_artifact(self, key: str) -> Stat:
        """A file below the claim's directory is there for all hosts; what it was then."""

    def keep_log(self, log: Path) -> None:
        """What was written to the log so far is there for all hosts."""


@contextmanager
def files_of_run(settings: Settings, claim: Claim) -> Iterator[RunFiles]:
    """The files of a claim; what it had on this host alone is gone with the block."""
    stages, artifacts = stage_store(settings), artifact_store(settings)
    if not isinstance(stages, S3Store) or not isinstance(artifacts, S3Store):
        yield FilesInPlace(settings)
        return
    with _own_folder(settings.cache_dir / RUNS, claim_directory(claim.job_id, claim.token)) as folder:
        yield CarriedFiles(settings, folder, stages, artifacts)


class FilesInPlace:
    """See ``RunFiles``: every host mounts the stores, and there is nothing to carry."""

    def __init__(self, settings: Settings) -> None:
        self.here = settings

    def bring_inputs(self, claim: Claim) -> None:
        """See ``RunFiles``."""

    def has(self, path: str) -> bool:
        """See ``RunFiles``."""
        return stage_store(self.here).exists(path)

    def bring(self, path: str) -> None:
        """See ``RunFiles``."""

    def keep_checkpoint(self, path: str) -> None:
        """See ``RunFiles``."""

    def keep_stage(self, path: str) -> None:
        """See ``RunFiles``."""

    def keep_part(self, path: str) -> None:
        """See ``RunFiles``."""

    def keep_artifact(self, key: str) -> Stat:
        """See ``RunFiles``."""
        return artifact_store(self.here).stat(key)

    def keep_log(self, log: Path) -> None:
        """See ``RunFiles``."""


class CarriedFiles:
    """See ``RunFiles``: the stores lie in a bucket.

    Args:
        folder: of this run alone, on the file system of the cache.
    """

    def __init__(self, settings: Settings, folder: Path, stages: S3Store, artifacts: S3Store) -> None:
        self._stages, self._artifacts = stages, artifacts
        self._checkpoints: list[str] = []
        local = {"store": "", "stages_dir": folder / "stages", "artifacts_dir": folder / "artifacts"}
        self.here = settings.model_copy(update=local)

    def bring_inputs(self, claim: Claim) -> None:
        """See ``RunFiles``."""
        named = (claim.network, claim.teacher, *(pack for _, pack in claim.packs))
        for key in filter(None, named):
            self._fetch(self._artifacts, key, self.here.artifacts_dir / key)

    def has(self, path: str) -> bool:
        """See ``RunFiles``."""
        return self._stages.exists(path)

    def bring(self, path: str) -> None:
        """See ``RunFiles``; checkpoints that lie beside a result stay away."""
        for key in self._stages.list(path):
            if key == path or not number_of(Path(key)):
                self._fetch(self._stages, key, self.here.stages_dir / key)

    def keep_checkpoint(self, path: str) -> None:
        """See ``RunFiles``; one that the run has removed before, after two later ones, is not needed.

        What the run has removed is deleted from the bucket as well.
        """
        with suppress(FileNotFoundError):
            self._stages.put(path, self.here.stages_dir / path)
            self._checkpoints.append(path)
        for earlier in self._checkpoints.copy():
            if not (self.here.stages_dir / earlier).exists():
                self._stages.delete(earlier)
                self._checkpoints.remove(earlier)

    def keep_stage(self, path: str) -> None:
        """See ``RunFiles``."""
        directory = self.here.stages_dir / path
        for name in (*files_of(directory), ORIGIN, RESULT):
            if (directory / name).exists():
                self._stages.put(f"{path}/{name}", directory / name)

    def keep_part(self, path: str) -> None:
        """See ``RunFiles``."""
        self._stages.put(f"{path}/{PART}", self.here.stages_dir / path / PART)

    def keep_artifact(self, key: str) -> Stat:
        """See ``RunFiles``."""
        return self._artifacts.put(key, self.here.artifacts_dir / key)

    def keep_log(self, log: Path) -> None:
        """See ``RunFiles``."""
        if log.exists():
            self._artifacts.put(log.relative_to(self.here.artifacts_dir).as_posix(), log)

    def _fetch(self, store: S3Store, key: str, target: Path) -> None:
        """Copy a file or tree; one that this run has made, or has copied before, is left as it is."""
        if not target.exists():
            make_directory(target.parent)
            store.fetch(key, target)


@contextmanager
def _own_folder(runs: Path, name: str) -> Iterator[Path]:
    """A folder that is gone with the block; those of processes that were killed go, too."""
    make_directory(runs / LOCKS)
    for left in runs.glob("[!.]*"):
        with suppress(BlockingIOError), _locked(runs / LOCKS / left.name):
            shutil.rmtree(left, ignore_errors=True)
    with _locked(runs / LOCKS / name):
        folder = runs / name
        folder.mkdir(exist_ok=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with this process. Raises ``BlockingIOError`` where another one holds it."""
    with path.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
