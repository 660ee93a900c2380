"""Helpers that write the files of jobs, make them old, and prune."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.events import CheckpointWritten, StageStored
from jobs import store
from jobs.database.dialect import FromNow
from jobs.database.engine import transaction
from jobs.files.retention import Pruned, prune
from jobs.settings import Settings
from jobs.store import Claim
from jobs.tables import Checkpoint, IdempotencyKey, Job, Stage

Do = Callable[..., Any]
DIGEST = "a" * 64
DAY = 86_400.0


@pytest.fixture
def throw_away(factory: sessionmaker[Session], settings: Settings) -> Callable[..., Pruned]:
    def run(days: float = 30, dry_run: bool = False) -> Pruned:
        for path in settings.data_dir.rglob("*"):
            os.utime(path, (time.time() - 2 * 3600,) * 2)
        return prune(factory, settings, older_than_days=days, dry_run=dry_run)

    return run


@pytest.fixture
def acquire(do: Do, settings: Settings) -> Callable[..., Path]:
    """Ask for a shared teacher; the directory to compute it in, with a file."""

    def ask(claim: Claim, digest: str = DIGEST) -> Path:
        verdict = do(store.acquire_stage, claim, digest=digest, kind="pretrain", label="teacher", shared=True)
        path = settings.stages_dir / verdict.path
        path.mkdir(parents=True, exist_ok=True)
        (path / "part").write_bytes(b"12345")
        result: Path = path
        return result

    return ask


@pytest.fixture
def checkpoint(do: Do, settings: Settings) -> Callable[..., Path]:
    def write(claim: Claim, directory: Path, number: int = 1) -> Path:
        path = directory / f"{number:08d}.checkpoint"
        path.write_bytes(b"tensors")
        told = path.relative_to(settings.stages_dir).as_posix()
        event = CheckpointWritten(stage="pretrain", digest=DIGEST, path=told, fraction=0.5)
        do(store.record_checkpoint, claim, event)
        return path

    return write


@pytest.fixture
def finish(do: Do, settings: Settings) -> Callable[..., None]:
    def store_stage(claim: Claim, directory: Path) -> None:
        path = directory.relative_to(settings.stages_dir).as_posix()
        do(store.record_stage_stored, claim, StageStored(stage="pretrain", digest=DIGEST, path=path))

    return store_stage


@pytest.fixture
def age(factory: sessionmaker[Session]) -> Callable[[float], None]:
    """Let everything have happened so many days earlier."""

    def earlier(days: float) -> None:
        past = FromNow(-DAY * days)
        with transaction(factory) as session:
            before = FromNow(-DAY * days - 1)
            session.execute(update(Job).where(Job.started_at.is_not(None)).values(started_at=before))
            session.execute(update(Stage).values(used_at=past, created_at=past))
            session.execute(update(Checkpoint).values(at=past))
            session.execute(update(IdempotencyKey).values(created_at=past))

    return earlier


@pytest.fixture
def count(factory: sessionmaker[Session]) -> Callable[[type], int]:
    def rows(table: type) -> int:
        with factory() as session:
            return session.execute(select(func.count()).select_from(table)).scalar_one()

    return rows
