"""Tables of what runs leave on disk: stages, checkpoints, artifacts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from jobs.database.dialect import Now
from jobs.tables.base import ID, Base


class Stage(Base):
    """A resumable stage of one owner: being computed by one claim, or finished at ``path``.

    Shared among the jobs of one owner only: a digest tells nobody what others own. A stage outlives
    the job that computed it, hence no foreign key.
    """

    __tablename__ = "stages"

    owner_id: Mapped[str] = mapped_column(ID, primary_key=True)
    digest: Mapped[str] = mapped_column(ID, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    label: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(16))
    job_id: Mapped[str] = mapped_column(ID, index=True)
    token: Mapped[int] = mapped_column()
    """The claim that computes it, or finished it. It is alive while that job runs under this token."""
    path: Mapped[str | None] = mapped_column(Text)
    """Relative to the stages directory; set when finished."""
    identity: Mapped[str | None] = mapped_column(ID)
    """Digest of what was asked for, whatever recipe and machine computed it; null in rows of before."""
    basis: Mapped[dict[str, Any] | None] = mapped_column()
    """Those recipes and that machine, by name."""
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())
    finished_at: Mapped[datetime | None] = mapped_column()
    used_at: Mapped[datetime | None] = mapped_column(insert_default=Now())
    """When a run last asked for it; retention counts from here."""

    __table_args__ = (
        CheckConstraint("state IN ('computing', 'finished')", name="state_known"),
        CheckConstraint("(state = 'finished') = (path IS NOT NULL)", name="finished_has_a_path"),
        Index("ix_stages_identity", "owner_id", "identity"),
    )


class Checkpoint(Base):
    """A checkpoint that counts: complete on disk, and written under a live claim."""

    __tablename__ = "checkpoints"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID)
    stage_digest: Mapped[str] = mapped_column(ID)
    job_id: Mapped[str] = mapped_column(ID, index=True)
    token: Mapped[int] = mapped_column()
    path: Mapped[str] = mapped_column(Text)
    fraction: Mapped[float] = mapped_column()
    at: Mapped[datetime] = mapped_column(insert_default=Now())

    __table_args__ = (Index("ix_checkpoints_of_stage", "owner_id", "stage_digest", "id"),)


class Artifact(Base):
    """A file for the person; ``path`` is relative to the artifacts directory."""

    __tablename__ = "artifacts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    path: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(String(100))
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes."""
    sha256: Mapped[str] = mapped_column(ID, index=True)
    """Equal files are found by it: every job that has the same student."""
    token: Mapped[int] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())
