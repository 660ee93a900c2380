"""What must hold on the disk: results, directories, and whatever a fenced claim wrote too late."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.settings import Settings
from jobs.state import JobState
from jobs.store.stages import claim_directory
from jobs.tables import Artifact, Checkpoint, Job, Stage
from tests.chaos.judging.invariants import Story
from tests.chaos.load import Result


def wrong_results(
    session: Session, settings: Settings, expected: dict[str, Result], told: Iterable[Story]
) -> list[str]:
    """Each artifact is the file that its row describes; results equal those of an undisturbed run."""
    wrong = []
    for story in told:
        if story.job.state != JobState.SUCCEEDED:
            continue
        rows = session.execute(select(Artifact).where(Artifact.job_id == story.job.id)).scalars().all()
        found = {row.name: row.sha256 for row in rows}
        for row in rows:
            file = settings.artifacts_dir / row.path
            if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != row.sha256:
                wrong.append(f"job {story.job.id}: {row.name} is not the file that was recorded")
        report = story.job.report or {}
        result = Result.of(found["student.safetensors"], found["outcomes-student.safetensors"], report)
        if result != expected[story.job.id]:
            parts = [
                part for part in vars(result) if vars(result)[part] != vars(expected[story.job.id])[part]
            ]
            wrong.append(f"job {story.job.id}: {', '.join(parts)} differ from the undisturbed run's")
    return wrong


def orphan_files(session: Session, settings: Settings) -> list[str]:
    """Directories of stages that no claim was ever given, and rows whose files are gone."""
    tokens: dict[str, int] = dict(session.execute(select(Job.id, Job.token)).all())
    wrong = []
    for directory in settings.stages_dir.glob("[!.]*/*"):
        job_id, _, token = directory.name.rpartition("-")
        if not 0 < int(token) <= tokens.get(job_id, 0):
            wrong.append(f"{directory.relative_to(settings.stages_dir)} belongs to no claim")
    finished = session.execute(select(Stage.path).where(Stage.path.is_not(None))).scalars()
    wrong += [f"stage {path} is gone" for path in finished if not (settings.stages_dir / str(path)).is_dir()]
    return wrong


def leftovers(session: Session, settings: Settings) -> dict[str, int]:
    """Files of dead claims that nothing needs any more: not wrong, but for `prune` to take away."""
    finished = set(session.execute(select(Stage.path).where(Stage.path.is_not(None))).scalars())
    counted = set(session.execute(select(Checkpoint.path)).scalars())
    directories = [path for path in settings.stages_dir.glob("[!.]*/*") if path.is_dir()]
    dead = [path for path in directories if str(path.relative_to(settings.stages_dir)) not in finished]
    return {
        "stage directories": len(directories),
        "of dead claims": len(dead),
        "checkpoint rows": len(counted),
        "temporary files": sum(1 for _ in settings.stages_dir.rglob("*.tmp*")),
        "stages": session.execute(select(func.count()).select_from(Stage)).scalar_one(),
    }


def lost_claims(told: Iterable[Story]) -> Iterator[tuple[str, int, datetime]]:
    """Job, token and moment of each claim that was taken from its worker."""
    for story in told:
        token = 0
        for event in story.events:
            token += event.type == "claimed"
            if event.type == "lost":
                yield story.job.id, token, event.at


def late_rows(session: Session, told: Iterable[Story]) -> list[str]:
    """Checkpoints, stages and artifacts that were let count after their claim was lost: there are none."""
    lost = {(job_id, token): at for job_id, token, at in lost_claims(told)}
    rows = [
        *session.execute(select(Checkpoint.job_id, Checkpoint.token, Checkpoint.at, Checkpoint.path)),
        *session.execute(
            select(Stage.job_id, Stage.token, Stage.finished_at, Stage.path).where(Stage.path.is_not(None))
        ),
        *session.execute(select(Artifact.job_id, Artifact.token, Artifact.created_at, Artifact.path)),
    ]
    return [
        f"{path} of job {job_id} counts since {at}, but token {token} was lost at {lost[job_id, token]}"
        for job_id, token, at, path in rows
        if (job_id, token) in lost and at > lost[job_id, token]
    ]


def late_files(settings: Settings, told: Iterable[Story]) -> int:
    """Files that runs wrote after their claim was lost: they may, and it must not matter."""
    return sum(
        file.is_file() and file.stat().st_mtime > at.timestamp()
        for job_id, token, at in lost_claims(told)
        for directory in _directories(settings, job_id, token)
        for file in directory.rglob("*")
    )


def _directories(settings: Settings, job_id: str, token: int) -> list[Path]:
    stages = settings.stages_dir.glob(f"*/{claim_directory(job_id, token)}")
    return [*stages, settings.artifacts_dir / job_id / str(token)]
