"""The stores of a deployment: what people bring and are given, and what runs compute."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from cartl_core.storage.directory_store import DirectoryStore
from jobs.settings import Settings

TASKS = "tasks"
STORES = 64
"""Deployments that one process knows; more than one only in tests."""


def artifact_store(settings: Settings) -> DirectoryStore:
    """Files for people and from people, whose keys the record keeps.

    JOB/TOKEN/...            artifacts, below the claim that wrote them
    uploads/...              networks to measure
    datasets/ID/...          a data set's content and pack
    teachers/ID/...          a teacher's content and network file
    """
    return _store(settings.artifacts_dir)


def stage_store(settings: Settings) -> DirectoryStore:
    """Results and checkpoints: ``DIGEST/CLAIM/...``."""
    return _store(settings.stages_dir)


def task_directory(settings: Settings, task_id: str) -> Path:
    """Where a task's logs lie, and what its claims are making, each in a directory of its token."""
    return artifact_store(settings).place(f"{TASKS}/{task_id}")


@lru_cache(maxsize=STORES)
def _store(root: Path) -> DirectoryStore:
    return DirectoryStore(root)
