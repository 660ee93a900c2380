"""What a bad disk does: a flipped bit or a lost file in a finished stage, a checkpoint, an artifact.

None of it strikes files in a bucket: tests/core/storage/test_s3_store.py does.
"""

from __future__ import annotations

from pathlib import Path

import httpx
from sqlalchemy import select

from jobs.files.stores import artifact_store
from jobs.tables import Artifact, Checkpoint, Stage
from tests.chaos.field import Field

REFUSED = 500


def damage_stage(ground: Field) -> bool:
    """A file of a finished stage, of those that jobs ask for again; nobody may measure what it holds now."""
    rows = ground.stack.patiently(
        lambda session: list(session.scalars(select(Stage.path).where(Stage.path.is_not(None))))
    )
    files = [file for path in rows for file in _files(ground.stack.settings.stages_dir / str(path))]
    if not files:
        return False
    _strike(ground, ground.draw.choice(sorted(files)), "stage")
    return True


def damage_checkpoint(ground: Field) -> bool:
    """One that counts; the stage goes on from an older one, or begins anew."""
    rows = ground.stack.patiently(lambda session: list(session.scalars(select(Checkpoint.path))))
    files = [path for row in rows if (path := ground.stack.settings.stages_dir / row).is_file()]
    if not files:
        return False
    _strike(ground, ground.draw.choice(sorted(files)), "checkpoint")
    return True


def damage_artifact(ground: Field) -> bool:
    """It is not served while it is damaged; then somebody puts it right from a copy."""
    rows = ground.stack.patiently(lambda session: list(session.scalars(select(Artifact))))
    mine = [row for row in rows if row.job_id in ground.load.key_of]
    mine = [row for row in mine if (ground.stack.settings.artifacts_dir / row.path).is_file()]
    if not mine:
        return False
    row = ground.draw.choice(sorted(mine, key=lambda row: row.path))
    file = ground.stack.settings.artifacts_dir / row.path
    if not artifact_store(ground.stack.settings).verify(row.path, row.sha256):
        return False
    whole = file.read_bytes()
    _flip(file, ground.draw.randrange(len(whole)))
    try:
        answer = httpx.get(
            f"{ground.stack.url}/jobs/{row.job_id}/artifacts/{row.name}",
            headers=ground.load.headers(row.job_id),
            timeout=20,
        )
    except httpx.TransportError:
        return False
    finally:
        file.write_bytes(whole)
    if answer.is_success:
        ground.load.trouble.append(f"{row.name} was served though a bit was flipped")
    ground.effects["damaged artifacts refused"] += answer.status_code == REFUSED
    return True


def _strike(ground: Field, file: Path, what: str) -> None:
    try:
        if ground.draw.random() < 0.5:
            file.unlink()
        else:
            _flip(file, ground.draw.randrange(file.stat().st_size))
    except FileNotFoundError:  # a run was faster: it has cleared its checkpoints
        return
    ground.effects[f"damaged: {what}"] += 1


def _flip(file: Path, byte: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(byte)
        (old,) = opened.read(1)
        opened.seek(byte)
        opened.write(bytes([old ^ 1]))


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.glob("*") if path.is_file() and path.stat().st_size]
