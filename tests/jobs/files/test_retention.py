from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker
from typer.testing import CliRunner

from cartl_core.events import ArtifactWritten
from cartl_core.spec.resources.dataset import NewDataset
from cartl_core.storage.array_file import ArrayFormat
from cartl_core.storage.shared_arrays import FOLDER, LOCK, PENDING, Caller, SharedArrays
from jobs import store
from jobs.__main__ import app
from jobs.database.dialect import FromNow
from jobs.database.engine import transaction
from jobs.files.artifacts import log_file, output_directory, relative_path
from jobs.files.retention import prune
from jobs.files.stores import artifact_store
from jobs.settings import Settings
from jobs.store import tasks
from jobs.store.resources.kinds import DATASET
from jobs.store.resources.receiving import announce
from jobs.tables import Checkpoint, IdempotencyKey, Stage, Task
from tests.jobs.files.conftest import DIGEST

Do = Callable[..., Any]


def test_what_a_running_job_writes_stays_however_old(
    submit: Any, claim: Any, acquire: Any, checkpoint: Any, age: Any, throw_away: Any, settings: Settings
) -> None:
    submit()
    mine = claim()
    kept = checkpoint(mine, acquire(mine))
    out = output_directory(settings, mine.job_id, mine.token)
    (out / "spec.json").write_text("{}")
    age(400)
    assert throw_away().paths == ()
    assert kept.exists() and (out / "spec.json").exists()


def test_a_teacher_that_a_running_job_has_asked_for_stays(
    submit: Any, claim: Any, acquire: Any, finish: Any, age: Any, throw_away: Any, do: Do
) -> None:
    submit()
    trainer = claim()
    teacher = acquire(trainer)
    finish(trainer, teacher)
    do(store.complete, trainer)
    submit()
    reader = claim()
    assert acquire(reader) == teacher
    age(400)
    assert throw_away().stages == 0 and teacher.exists()
    do(store.complete, reader)
    assert throw_away().stages == 1 and not teacher.exists()
    assert not teacher.parent.exists()


def test_a_finished_teacher_stays_as_long_as_the_policy_says(
    submit: Any, claim: Any, acquire: Any, finish: Any, age: Any, throw_away: Any, do: Do
) -> None:
    submit()
    mine = claim()
    teacher = acquire(mine)
    finish(mine, teacher)
    do(store.complete, mine)
    submit()
    age(29)
    assert throw_away().stages == 0 and teacher.exists()
    age(31)
    assert throw_away(dry_run=True) == throw_away(dry_run=True)
    assert throw_away(dry_run=True).paths == (teacher,) and teacher.exists()
    assert throw_away().size == 5 and not teacher.exists()
    again = claim()
    assert acquire(again) != teacher, "it is computed again, in a directory of its own"


def test_an_interrupted_jobs_checkpoints_stay_and_a_cancelled_ones_go_in_time(
    submit: Any, claim: Any, acquire: Any, checkpoint: Any, age: Any, throw_away: Any, do: Do, count: Any
) -> None:
    job_id = submit()
    mine = claim()
    kept = checkpoint(mine, acquire(mine))
    do(store.release, mine)
    age(400)
    assert throw_away().checkpoints == 0 and kept.exists()
    do(store.request_cancel, job_id)
    age(29)
    assert throw_away().checkpoints == 0 and kept.exists(), "a retry goes on from it"
    age(31)
    assert throw_away().checkpoints == 1 and not kept.exists()
    assert (count(Stage), count(Checkpoint)) == (0, 0)


def test_a_stage_that_is_waited_for_stays(
    submit: Any, claim: Any, acquire: Any, checkpoint: Any, age: Any, throw_away: Any, do: Do
) -> None:
    trainer_job, waiter_job = submit(), submit()
    trainer, waiter = claim(), claim()
    kept = checkpoint(trainer, acquire(trainer))
    do(store.release, waiter, waiting_for=DIGEST)
    do(store.request_cancel, trainer_job)
    do(store.acknowledge_cancel, trainer)
    age(400)
    assert throw_away().paths == () and kept.exists()
    follower = claim()
    assert follower.job_id == waiter_job
    verdict = do(store.acquire_stage, follower, digest=DIGEST, kind="pretrain", label="teacher", shared=True)
    assert len(verdict.checkpoints) == 1


def test_checkpoints_of_a_finished_stage_go_at_once(
    submit: Any, claim: Any, acquire: Any, checkpoint: Any, finish: Any, throw_away: Any, do: Do, count: Any
) -> None:
    submit()
    first = claim()
    superseded = checkpoint(first, acquire(first))
    do(store.release, first)
    second = claim()
    result = acquire(second)
    finish(second, result)
    assert throw_away().checkpoints == 0 and superseded.exists(), "its job is still running"
    do(store.complete, second)
    pruned = throw_away()
    assert (pruned.checkpoints, pruned.paths) == (1, (superseded.parent,))
    assert not superseded.exists() and result.exists()
    assert (count(Stage), count(Checkpoint)) == (1, 0)


def test_artifacts_and_logs_of_the_record_stay_and_what_no_row_names_goes(
    submit: Any, claim: Any, throw_away: Any, do: Do, settings: Settings, age: Any
) -> None:
    submit()
    lost = claim()
    useless = output_directory(settings, lost.job_id, lost.token)
    (useless / "weights").write_bytes(b"123")
    do(store.requeue_after_crash, lost)
    mine = claim()
    named = output_directory(settings, mine.job_id, mine.token) / "report.md"
    named.write_bytes(b"# Report")
    event = ArtifactWritten(name="report.md", path="report.md", media_type="text/markdown")
    path = relative_path(settings, named)
    do(store.record_artifact, mine, event, path=path, size=8, sha256="0")
    do(store.complete, mine)
    log = log_file(settings, mine.job_id, 1)
    log.parent.mkdir()
    log.write_text("said")
    stranger = settings.artifacts_dir / "nobody" / "logs"
    stranger.mkdir(parents=True)
    age(400)
    assert set(throw_away().paths) == {useless, stranger}
    assert named.exists() and log.exists() and not useless.exists() and not stranger.parent.exists()


def test_features_stay_while_runs_ask_for_them_and_go_in_time(settings: Settings, throw_away: Any) -> None:
    shared, form = SharedArrays(settings.stages_dir / FOLDER), ArrayFormat((2,), "uint8", 1)
    assert shared.get("a", form, lambda mapped: None, Caller()) is not None
    left = shared.directory / f"b{PENDING}"
    left.write_bytes(b"of a run that died")
    assert throw_away(days=1, dry_run=True).paths == (left,)
    assert throw_away(days=1).paths == (left,)
    assert throw_away(days=0.01).paths == (shared.directory / "a",)
    assert [path.name for path in shared.directory.iterdir()] == [LOCK]


def test_what_is_fresh_is_left_alone(settings: Settings, factory: sessionmaker[Session]) -> None:
    fresh = settings.stages_dir / DIGEST / "job-1"
    fresh.mkdir(parents=True)
    assert prune(factory, settings, older_than_days=0).paths == ()
    assert fresh.exists()


def test_idempotency_keys_expire(submit: Any, do: Do, age: Any, throw_away: Any, count: Any) -> None:
    job = do(store.find, submit())
    key = {"owner": "ann", "key": "once", "body_digest": "one"}
    do(store.remember, **key, job=job)
    age(0.9)
    assert throw_away().idempotency_keys == 0
    assert do(store.replayed, **key).id == job.id
    age(1.1)
    assert do(store.replayed, **key | {"body_digest": "another"}) is None
    do(store.remember, **key, job=job)
    age(1.1)
    assert throw_away().idempotency_keys == 1 and count(IdempotencyKey) == 0


def test_the_command_says_what_went(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTL_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("CARTL_DATABASE_URL", settings.database_url)
    useless = settings.stages_dir / DIGEST / "job-1"
    useless.mkdir(parents=True)
    os.utime(useless, (0, 0))
    told = CliRunner().invoke(app, ["prune", "--dry-run"])
    assert told.exit_code == 0 and told.stdout.startswith(f"{useless}\nWould remove 0 stages")
    assert useless.exists()
    told = CliRunner().invoke(app, ["prune", "--older-than", "3"])
    assert (
        "Removed 0 stages, 0 checkpoints, 0 uploads, 0 tasks, 0 data sets and teachers, "
        "0 deliveries of webhooks, 0 idempotency keys, 1 directories (0 bytes)." in told.output
    )
    assert not useless.exists()


def test_what_people_brought_stays_until_it_is_deleted_and_what_a_task_left_until_its_row_goes(
    settings: Settings, factory: sessionmaker[Session], do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.files.retention.SETTLED_SECONDS", -1.0)
    kept = artifact_store(settings)
    new = NewDataset(name="own", size=1)
    with transaction(factory) as session:
        dataset_id = announce(session, settings, DATASET, "ann", new)[0].id
    task_id = do(tasks.add_task, "check_dataset", dataset_id, "ann")
    keys = [DATASET.key(dataset_id), DATASET.key(dataset_id, "pack/index.json"), f"tasks/{task_id}/log"]
    for key in [*keys, "datasets/gone/content", "teachers/gone/content", "tasks/gone/log"]:
        kept.put(key, b"1")
    gone = prune(factory, settings, older_than_days=0.01)
    assert sorted(path.name for path in gone.paths) == ["gone", "gone", "gone"]
    assert sorted(kept.list()) == sorted(keys)
    with transaction(factory) as session:
        session.execute(update(Task).values(state="succeeded", finished_at=FromNow(-86_400)))
    assert prune(factory, settings, older_than_days=2).tasks == 0
    assert prune(factory, settings, older_than_days=0.5).tasks == 1
    assert sorted(kept.list()) == sorted(keys[:2])
