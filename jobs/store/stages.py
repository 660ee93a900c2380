"""Stages, checkpoints and artifacts: files count once their row is written under a live claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from cartl_core.events import ArtifactWritten, CheckpointWritten, StageStored
from jobs.models import Artifact, Stage
from jobs.store.run import Claim


@dataclass(frozen=True)
class StageVerdict:
    """What a run does about a stage. Paths are relative to the stages directory."""

    verdict: Literal["finished", "compute", "wait"]
    path: str | None = None
    """`finished`: the result's directory; `compute`: the directory to write, this claim's own."""
    checkpoints: tuple[str, ...] = ()
    """`compute`: paths of checkpoints to go on from, newest first."""


def acquire_stage(
    session: Session,
    claim: Claim,
    *,
    digest: str,
    kind: str,
    label: str,
    shared: bool,
    usable: Callable[[str], bool] = lambda path: True,
) -> StageVerdict:
    """Ask for a stage: it is finished, this run computes it, or another run does.

    ``wait`` is answered only for a shared stage that another running job with a live lease
    computes. A holder whose lease has lapsed loses its job on the spot (as in a sweep), so no two
    live claims ever hold one shared stage. ``usable(path)`` says whether a finished stage's files
    are still there; if not, it is computed again.

    Raises:
        LostClaim: the job is no longer running under this token.
    """
    raise NotImplementedError


def record_checkpoint(session: Session, claim: Claim, event: CheckpointWritten) -> None:
    """Let a checkpoint count.

    Raises:
        LostClaim: the job is no longer running under this token.
    """
    raise NotImplementedError


def record_stage_stored(session: Session, claim: Claim, event: StageStored) -> None:
    """Let a stage's result count; it is finished from here on for all jobs of the owner.

    Raises:
        LostClaim: the job is no longer running under this token.
    """
    raise NotImplementedError


def record_artifact(
    session: Session, claim: Claim, event: ArtifactWritten, *, path: str, size: int, sha256: str
) -> Artifact:
    """Let a file count; ``path`` is relative to the artifacts directory. A later attempt's replaces it.

    Raises:
        LostClaim: the job is no longer running under this token.
        ArtifactNameRefused: the name could leave its directory.
    """
    raise NotImplementedError


def stages_of(session: Session, owner: str | None, *, kind: str, limit: int = 200) -> list[Stage]:
    """An owner's stages of one kind (``pretrain``: teachers), newest first."""
    raise NotImplementedError
