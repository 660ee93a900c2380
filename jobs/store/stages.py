"""Stages, checkpoints and artifacts: files count once their row is written under a live claim."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from cartl_core.events import ArtifactWritten, CheckpointWritten, StageKind, StageStored
from cartl_core.planning.superseded import superseded
from jobs.database.dialect import Now, insert_if_new
from jobs.files.artifacts import check_name
from jobs.store.change import append, locked, plain, running_under
from jobs.store.claim import Claim
from jobs.tables import Artifact, Checkpoint, Job, Stage

TRAININGS = ("pretrain", "transfer")
PROGRESS: dict[str, Any] = {"fruitless_attempts": 0}
"""Columns of a job that has come further than any attempt before."""


@dataclass(frozen=True)
class StageVerdict:
    """What a run does about a stage. Paths are relative to the stages directory."""

    verdict: Literal["finished", "compute", "wait"]
    path: str | None = None
    """`finished`: the result's directory; `compute`: the directory to write, this claim's own."""
    checkpoints: tuple[str, ...] = ()
    """`compute`: paths of checkpoints to go on from, newest first."""


def stage_directory(claim: Claim, digest: str) -> str:
    """The directory that only this claim writes: fencing for files."""
    return f"{digest}/{claim_directory(claim.job_id, claim.token)}"


def claim_directory(job_id: str, token: int) -> str:
    """What a claim's directory is called, whatever the stage."""
    return f"{job_id}-{token}"


def acquire_stage(
    session: Session,
    claim: Claim,
    *,
    digest: str,
    kind: str,
    label: str,
    shared: bool,
    usable: Callable[[str], bool] = lambda path: True,
    damaged: str | None = None,
    identity: str = "",
    basis: Mapping[str, str] | None = None,
) -> StageVerdict:
    """Ask for a stage: it is finished, this run computes it, or another run does.

    ``wait`` is answered only for a shared stage that another running job computes, even one whose lease has
    lapsed: its worker may only have slept. Once maintenance has taken the job from it, the stage is free, so
    no two live claims ever hold one shared stage. ``usable(path)`` says whether a finished stage's files
    are still there; if not, it is computed again. So it is when its files lie at ``damaged``, which the run
    has read and found changed: the row is taken by this claim, and a result that another claim has stored
    since is found. Files that others read at this moment stay where they are. Where the same was asked for
    before (``identity``) and is finished under another digest, an event says what is different (``basis``).

    Raises:
        LostClaim: the job is no longer running under this token.
    """
    _held(session, claim)
    stage, is_new = _stage_row(session, claim, digest, kind, label, identity, basis)
    if is_new:
        _tell_superseded(session, claim, stage)
    _note_use(session, stage)
    if stage.path is not None and stage.path != damaged and usable(stage.path):
        return StageVerdict("finished", path=stage.path)
    if stage.state == "computing" and _somebody_computes(session, claim, stage):
        if shared:
            return StageVerdict("wait")
    else:
        _take(session, claim, stage)
    return StageVerdict(
        "compute", path=stage_directory(claim, digest), checkpoints=_checkpoints(session, claim.owner, digest)
    )


def _held(session: Session, claim: Claim) -> None:
    if session.execute(locked(select(Job).where(claim.fence))).scalar_one_or_none() is None:
        raise claim.lost


def _note_use(session: Session, stage: Stage) -> None:
    session.execute(
        update(Stage)
        .where(Stage.owner_id == stage.owner_id, Stage.digest == stage.digest)
        .values(used_at=Now())
        .execution_options(synchronize_session=False)
    )


def _stage_row(
    session: Session,
    claim: Claim,
    digest: str,
    kind: str,
    label: str,
    identity: str,
    basis: Mapping[str, str] | None,
) -> tuple[Stage, bool]:
    """The stage's row, locked, and whether it was made now: when there was none, or it was just pruned."""
    this = locked(select(Stage).where(Stage.owner_id == claim.owner, Stage.digest == digest))
    while True:
        is_new = insert_if_new(
            session,
            Stage,
            owner_id=claim.owner,
            digest=digest,
            kind=kind,
            label=label[:200],
            state="computing",
            job_id=claim.job_id,
            token=claim.token,
            identity=identity or None,
            basis=dict(basis or {}),
        )
        if (row := session.execute(this).scalar_one_or_none()) is not None:
            return row, is_new


def _tell_superseded(session: Session, claim: Claim, stage: Stage) -> None:
    """An event, where the owner has a finished stage that was the same but for recipe or machine.

    Rows of a version that kept no identity are taken for it by the label, and only trainings are told.
    """
    finished = select(Stage).where(Stage.owner_id == claim.owner, Stage.state == "finished")
    newest = finished.order_by(Stage.finished_at.desc()).limit(1)
    same = newest.where(Stage.identity == stage.identity, Stage.digest != stage.digest)
    unnamed = newest.where(Stage.identity.is_(None), Stage.kind == stage.kind, Stage.label == stage.label)
    earlier = session.execute(same).scalar_one_or_none()
    if earlier is None and stage.kind in TRAININGS:
        earlier = session.execute(unnamed).scalar_one_or_none()
    if earlier is None or stage.identity is None:
        return
    kept = earlier.basis if earlier.identity is not None else None
    told = superseded(
        cast("StageKind", stage.kind), stage.label, stage.digest, earlier=kept, basis=stage.basis or {}
    )
    append(session, claim.fence, told.type, plain(told, exclude={"type"}))


def _somebody_computes(session: Session, claim: Claim, stage: Stage) -> bool:
    """Does another claim hold the stage?"""
    if (stage.job_id, stage.token) == (claim.job_id, claim.token):
        return False
    holder = select(Job.id).where(running_under(stage.job_id, stage.token))
    return session.execute(holder).scalar_one_or_none() is not None


def _take(session: Session, claim: Claim, stage: Stage) -> None:
    session.execute(
        update(Stage)
        .where(Stage.owner_id == stage.owner_id, Stage.digest == stage.digest)
        .values(state="computing", job_id=claim.job_id, token=claim.token, path=None, finished_at=None)
    )


def _checkpoints(session: Session, owner: str, digest: str) -> tuple[str, ...]:
    paths = session.execute(
        select(Checkpoint.path)
        .where(Checkpoint.owner_id == owner, Checkpoint.stage_digest == digest)
        .order_by(Checkpoint.id.desc())
    )
    return tuple(paths.scalars())


def record_checkpoint(session: Session, claim: Claim, event: CheckpointWritten) -> None:
    """Let a checkpoint count. One that is further on than all of the job's before is progress.

    Raises:
        LostClaim: the job is no longer running under this token.
    """
    progress = PROGRESS if event.fraction > _furthest(session, claim, event.digest) else {}
    if append(session, claim.fence, event.type, plain(event, exclude={"type"}), **progress) is None:
        raise claim.lost
    session.execute(
        insert(Checkpoint).values(
            owner_id=claim.owner,
            stage_digest=event.digest,
            job_id=claim.job_id,
            token=claim.token,
            path=event.path,
            fraction=event.fraction,
        )
    )


def _furthest(session: Session, claim: Claim, digest: str) -> float:
    """Fraction of the stage that the job has reached in any attempt."""
    its = (Checkpoint.job_id == claim.job_id, Checkpoint.stage_digest == digest)
    return session.execute(select(func.max(Checkpoint.fraction)).where(*its)).scalar_one() or 0.0


def record_stage_stored(session: Session, claim: Claim, event: StageStored) -> None:
    """Let a stage's result count; it is finished from here on for all jobs of the owner.

    Where two jobs computed a stage that is not shared, the first result stays.

    Raises:
        LostClaim: the job is no longer running under this token.
    """
    if append(session, claim.fence, event.type, plain(event, exclude={"type"}), **PROGRESS) is None:
        raise claim.lost
    session.execute(
        update(Stage)
        .where(
            Stage.owner_id == claim.owner,
            Stage.digest == event.digest,
            Stage.state == "computing",
        )
        .values(state="finished", path=event.path, job_id=claim.job_id, token=claim.token, finished_at=Now())
    )


def record_artifact(
    session: Session, claim: Claim, event: ArtifactWritten, *, path: str, size: int, sha256: str
) -> Artifact:
    """Let a file count; ``path`` is relative to the artifacts directory. A later attempt's replaces it.

    Raises:
        LostClaim: the job is no longer running under this token.
        ArtifactNameRefused: the name could leave its directory.
    """
    check_name(event.name)
    body = {"name": event.name, "media_type": event.media_type, "size": size, "sha256": sha256}
    if append(session, claim.fence, event.type, body) is None:
        raise claim.lost
    artifact = session.merge(
        Artifact(
            job_id=claim.job_id,
            name=event.name,
            path=path,
            media_type=event.media_type,
            size=size,
            sha256=sha256,
            token=claim.token,
        )
    )
    session.flush()
    return artifact


def stages_of(session: Session, owner: str | None, *, kind: str, limit: int = 200) -> list[Stage]:
    """An owner's stages of one kind (``pretrain``: teachers), newest first."""
    chosen = select(Stage).where(Stage.kind == kind)
    if owner is not None:
        chosen = chosen.where(Stage.owner_id == owner)
    newest = chosen.order_by(Stage.created_at.desc(), Stage.digest).limit(limit)
    return list(session.execute(newest).scalars())
