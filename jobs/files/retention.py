"""What may be thrown away: rows first, in one transaction, then the files that nothing refers to.

Kept, however old: what a running job writes, has asked for or may ask for again; the stage that a
queued job waits for, and the unfinished stages and checkpoints of jobs that are queued or running; the
artifacts and logs of every job in the record, and the uploads that a job of any state measures. Kept for
``retention_days`` after a run last asked for them: finished teachers and students (a later job reuses them)
and the checkpoints of jobs that failed or were cancelled (a retry goes on from them); for as long after they
came: uploads that no job has measured. Everything else goes:

    stages, checkpoints    not used for so long             (rows, then directories)
    checkpoints            of stages that are finished      (rows, then files)
    uploads                that no job refers to, so old     (rows, then files)
    tasks                  that ended so long ago            (rows, then their logs)
    deliveries             of webhooks, made so long ago
    device seconds         that were used before the longest window of quotas
    data sets, teachers    announced and not sent in time, or rejected so long ago; bytes of rejected ones
                           after a day                        (rows, then files)
    directories            that no row names and no live claim writes
    features               of frozen trunks, not asked for so long, or left by a run that died
    idempotency keys       after ``KEY_HOURS``
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select
from sqlalchemy.orm import Session, aliased, sessionmaker

from cartl_core.storage.s3_store import S3Store
from cartl_core.storage.shared_arrays import FOLDER, SharedArrays
from jobs.database.dialect import FromNow
from jobs.files.artifacts import LOGS
from jobs.files.listed_files import list_files
from jobs.files.resource_retention import forget_resources, needed_trees
from jobs.files.stores import TASKS, artifact_store, stage_store
from jobs.files.uploads import forget_unused
from jobs.settings import Settings
from jobs.state import JobState
from jobs.store.change import is_in, locked
from jobs.store.lost_tasks import forget_ended_tasks
from jobs.store.quotas.device_time import forget_uses
from jobs.store.stages import claim_directory
from jobs.store.submit import key_expired
from jobs.tables import (
    Artifact,
    Checkpoint,
    IdempotencyKey,
    Job,
    Stage,
    Task,
    Upload,
)
from jobs.webhooks.deliveries import forget_old_deliveries

SETTLED_SECONDS = 3600.0
"""A directory that nothing names is left alone while something in it is newer than this."""
DAY = 86_400.0
KEPT_USES_DAYS = 400.0
"""The longest window of device seconds."""


@dataclass(frozen=True)
class Pruned:
    """What went, or with ``dry_run`` would go."""

    stages: int
    checkpoints: int
    uploads: int
    tasks: int
    resources: int
    """Data sets and teachers."""
    deliveries: int
    """Of webhooks."""
    idempotency_keys: int
    paths: tuple[Path, ...]
    size: int
    """Bytes."""


def prune(
    factory: sessionmaker[Session], settings: Settings, *, older_than_days: float, dry_run: bool = False
) -> Pruned:
    """Remove what the policy above lets go; safe beside workers, and beside another prune.

    The files are listed before the rows are read: what a run makes meanwhile is not on the list.
    """
    stores = (stage_store(settings), artifact_store(settings))
    roots = (settings.stages_dir.resolve(), settings.artifacts_dir.resolve())
    listed = {root: list_files(store, root) for store, root in zip(stores, roots, strict=True)}
    found = [path for files in listed.values() for path in files.found]
    with factory() as session:
        stages, checkpoints = _forget_stages(session, older_than_days)
        checkpoints += _forget_superseded(session)
        uploads = forget_unused(session, FromNow(-DAY * older_than_days))
        tasks = forget_ended_tasks(session, FromNow(-DAY * older_than_days))
        resources = forget_resources(session, older_than_days)
        deliveries = forget_old_deliveries(session, FromNow(-DAY * older_than_days))
        keys = session.execute(
            delete(IdempotencyKey).where(key_expired()).returning(IdempotencyKey.key)
        ).all()
        forget_uses(session, KEPT_USES_DAYS)
        needed = _needed(session, settings, found)
        if dry_run:
            session.rollback()
        else:
            session.commit()
    around = needed.union(*(path.parents for path in needed))
    settled = time.time() - SETTLED_SECONDS
    useless = [
        path
        for path in found
        if path not in around
        and path.parent not in needed
        and listed[path.parent.parent].newest(path) < settled
    ]
    shared = SharedArrays(settings.stages_dir / FOLDER).unused_for(DAY * older_than_days)
    size = sum(listed[path.parent.parent].size(path) for path in useless) + sum(map(_bytes, shared))
    if not dry_run:
        for path in useless:
            listed[path.parent.parent].remove(path)
        for path in shared:
            path.unlink(missing_ok=True)
        for store in stores:
            if isinstance(store, S3Store):
                store.sweep(settled)
    return Pruned(
        stages, checkpoints, uploads, tasks, resources, deliveries, len(keys), (*useless, *shared), size
    )


def _forget_stages(session: Session, days: float) -> tuple[int, int]:
    """Delete the rows of stages that nobody used for so long, and of their checkpoints."""
    old = locked(select(Stage).where(_unused(FromNow(-DAY * days))), skip_locked=True)
    stages = session.execute(old).scalars().all()
    checkpoints = 0
    for stage in stages:
        its = and_(Checkpoint.owner_id == stage.owner_id, Checkpoint.stage_digest == stage.digest)
        checkpoints += len(session.execute(delete(Checkpoint).where(its).returning(Checkpoint.id)).all())
        session.delete(stage)
    session.flush()
    return len(stages), checkpoints


def _unused(cutoff: FromNow) -> ColumnElement[bool]:
    """Last asked for before ``cutoff``, and no job that lives can be relying on it."""
    trainer, reader, waiter = aliased(Job), aliased(Job), aliased(Job)
    unfinished_of_a_live_job = and_(
        Stage.state == "computing", exists().where(trainer.id == Stage.job_id, _lives(trainer))
    )
    asked_for_by_a_running_job = exists().where(
        reader.owner_id == Stage.owner_id, is_in(reader, JobState.RUNNING), reader.started_at <= Stage.used_at
    )
    waited_for = exists().where(
        waiter.owner_id == Stage.owner_id, is_in(waiter, JobState.QUEUED), waiter.waiting_for == Stage.digest
    )
    checkpointed_since = exists().where(
        Checkpoint.owner_id == Stage.owner_id,
        Checkpoint.stage_digest == Stage.digest,
        Checkpoint.at > cutoff,
    )
    return and_(
        func.coalesce(Stage.used_at, Stage.created_at) <= cutoff,
        ~unfinished_of_a_live_job,
        ~asked_for_by_a_running_job,
        ~waited_for,
        ~checkpointed_since,
    )


def _lives(job: type[Job]) -> ColumnElement[bool]:
    return or_(is_in(job, JobState.QUEUED), is_in(job, JobState.RUNNING))


def _forget_superseded(session: Session) -> int:
    """Delete the rows of checkpoints whose stage is finished; a run that writes them still keeps its own."""
    writer = aliased(Job)
    finished = exists().where(
        Stage.owner_id == Checkpoint.owner_id,
        Stage.digest == Checkpoint.stage_digest,
        Stage.state == "finished",
    )
    still_written = exists().where(writer.id == Checkpoint.job_id, _lives(writer))
    gone = delete(Checkpoint).where(finished, ~still_written).returning(Checkpoint.id)
    return len(session.execute(gone.execution_options(synchronize_session=False)).all())


def _needed(session: Session, settings: Settings, found: list[Path]) -> frozenset[Path]:
    """Every file and directory that a row names or a live claim writes."""
    stages, artifacts = settings.stages_dir.resolve(), settings.artifacts_dir.resolve()
    needed = {stages / path for path in session.scalars(select(Stage.path)) if path is not None}
    needed |= {stages / path for path in session.scalars(select(Checkpoint.path))}
    needed |= {artifacts / path for path in session.scalars(select(Artifact.path))}
    needed |= {artifacts / path for path in session.scalars(select(Upload.path))}
    needed |= {artifacts / tree for tree in needed_trees(session)}
    needed |= {artifacts / job_id / LOGS for job_id in session.scalars(select(Job.id))}
    needed |= {artifacts / TASKS / task_id for task_id in session.scalars(select(Task.id))}
    running = select(Job.id, Job.token).where(is_in(Job, JobState.RUNNING))
    claims = [
        (row[0], row[1]) for rows in (running, select(Task.id, Task.token)) for row in session.execute(rows)
    ]
    needed |= {artifacts / job_id / str(token) for job_id, token in claims}
    written = {claim_directory(job_id, token) for job_id, token in claims}
    needed |= {path for path in found if path.name in written}
    return frozenset(needed)


def _bytes(file: Path) -> int:
    """0 where it is gone: another prune was here."""
    with suppress(FileNotFoundError):
        return file.stat().st_size
    return 0
