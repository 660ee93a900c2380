"""The stores of a deployment: what people bring and are given, and what runs compute.

They are directories that every host mounts, or lie in one bucket.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from cartl_core.storage.bucket import Bucket
from cartl_core.storage.directory_store import DirectoryStore
from cartl_core.storage.s3_store import S3Store
from jobs.settings import Settings
from jobs.store_settings import forget_empty_variables

TASKS = "tasks"
STORES = 64
"""Deployments that one process knows; more than one only in tests."""

FileStore = DirectoryStore | S3Store


def artifact_store(settings: Settings) -> FileStore:
    """Files for people and from people, whose keys the record keeps.

    JOB/TOKEN/...            artifacts, below the claim that wrote them
    JOB/logs/...             logs of its runs
    uploads/...              networks to measure
    datasets/ID/...          a data set's content and pack
    teachers/ID/...          a teacher's content and network file
    """
    return _in_bucket(settings, "artifacts") if settings.store else _directory(settings.artifacts_dir)


def own_artifacts(settings: Settings) -> DirectoryStore:
    """Where a run of this host writes its artifacts: what ``artifact_store`` is, unless that is a bucket."""
    return _directory(settings.cache_dir / "artifacts" if settings.store else settings.artifacts_dir)


def stage_store(settings: Settings) -> FileStore:
    """Results and checkpoints: ``DIGEST/CLAIM/...``."""
    return _in_bucket(settings, "stages") if settings.store else _directory(settings.stages_dir)


def deployment_store(settings: Settings) -> S3Store | None:
    """What says whose bucket it is; None where files lie in directories."""
    return _in_bucket(settings, "deployment") if settings.store else None


def task_directory(settings: Settings, task_id: str) -> Path:
    """Where a task's logs lie, and what its claims are making, each in a directory of its token."""
    return own_artifacts(settings).place(f"{TASKS}/{task_id}")


@lru_cache(maxsize=STORES)
def _directory(root: Path) -> DirectoryStore:
    return DirectoryStore(root)


def _in_bucket(settings: Settings, root: str) -> S3Store:
    return _opened(settings.store, root, settings.cache_dir, settings.cache_bytes, os.getpid())


@lru_cache(maxsize=STORES)
def _opened(url: str, root: str, cache: Path, cache_bytes: int, process: int) -> S3Store:
    """Of one process: the connections of the one that it was forked from are not its own."""
    forget_empty_variables()
    return S3Store(Bucket(url), root, cache, cache_bytes)
