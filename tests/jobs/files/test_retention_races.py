"""A prune while jobs ask for stages: nothing that a claim was told to use is deleted."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.events import StageStored
from jobs import store
from jobs.database.engine import transaction
from jobs.settings import Settings
from jobs.store import Claim
from tests.jobs.files.conftest import DIGEST

Do = Callable[..., Any]


@pytest.fixture
def old_teacher(submit: Any, claim: Any, acquire: Any, finish: Any, age: Any, do: Do) -> Path:
    """A finished teacher that the policy lets go, and a job in the queue that will ask for it."""
    submit()
    trainer = claim()
    teacher = acquire(trainer)
    finish(trainer, teacher)
    do(store.complete, trainer)
    submit()
    age(400)
    return Path(teacher)


def ask(session: Session, claim: Claim) -> store.StageVerdict:
    return store.acquire_stage(
        session, claim, digest=DIGEST, kind="pretrain", label="teacher", shared=True, usable=lambda path: True
    )


@pytest.mark.parametrize("backend", ["postgresql"])
def test_a_stage_that_is_being_asked_for_is_passed_over(
    old_teacher: Path, claim: Any, throw_away: Any, factory: sessionmaker[Session], settings: Settings
) -> None:
    reader = claim()
    with transaction(factory) as session:
        verdict = ask(session, reader)
        assert throw_away().stages == 0, "its row is locked by a question that is not committed yet"
    assert verdict.verdict == "finished" and settings.stages_dir / str(verdict.path) == old_teacher
    assert old_teacher.exists()


def test_a_claim_between_a_prunes_rows_and_its_files_gets_a_directory_that_stays(
    old_teacher: Path, claim: Any, acquire: Any, throw_away: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def remove_while_a_claim_writes(path: Path, **options: Any) -> None:
        remove(path, **options)
        made.append(acquire(claim()))

    remove = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", remove_while_a_claim_writes)
    assert throw_away().paths == (old_teacher,)
    (fresh,) = made
    assert fresh.parent == old_teacher.parent and (fresh / "part").exists() and not old_teacher.exists()


def test_another_prune_may_have_been_faster(
    old_teacher: Path, throw_away: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove_all(path: Path, **options: Any) -> None:
        remove(path.parent)

    remove = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", remove_all)
    assert throw_away().paths == (old_teacher,)
    assert not old_teacher.parent.exists()


def test_whatever_a_claim_is_told_to_use_survives_a_prune_of_the_same_moment(
    submit: Any, do: Do, factory: sessionmaker[Session], settings: Settings, throw_away: Any, age: Any
) -> None:
    for number in range(8):
        digest = f"{number}" * 64
        facts = {"digest": digest, "kind": "pretrain", "label": "teacher", "shared": True}
        submit()
        trainer = do(store.claim, worker_id="w", lease_seconds=60)
        path = do(store.acquire_stage, trainer, **facts).path
        (settings.stages_dir / path).mkdir(parents=True)
        do(store.record_stage_stored, trainer, StageStored(stage="pretrain", digest=digest, path=path))
        do(store.complete, trainer)
        submit()
        age(400)
        reader = do(store.claim, worker_id="w", lease_seconds=60)
        together = threading.Barrier(2)

        def pruning(together: threading.Barrier = together) -> None:
            together.wait(20)
            throw_away()

        thread = threading.Thread(target=pruning)
        thread.start()
        together.wait(20)
        time.sleep(number * 0.002)
        verdict = do(store.acquire_stage, reader, **facts)
        thread.join(60)
        assert verdict.verdict == "compute" or (settings.stages_dir / verdict.path).is_dir()
        assert verdict.path != path or verdict.verdict == "finished"
        do(store.complete, reader)
