"""Tables of how fast things go: what stages took on which machine, and what running jobs do now."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from jobs.database.dialect import Now
from jobs.tables.base import Base


class StageRate(Base):
    """How long one computed stage took; of each machine, kind and size the newest rows are kept.

    It says nothing of a job or an owner: rates of all jobs serve the estimates of all.
    """

    __tablename__ = "stage_rates"

    id: Mapped[int] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(String(16))
    device_name: Mapped[str] = mapped_column(String(200))
    threads: Mapped[int] = mapped_column()
    precision: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(64))
    """Of work: `teacher`, `attack-pgd`; `start` and `publish` are of every run."""
    size_class: Mapped[int] = mapped_column()
    """Of the network: the power of two of its multiply-adds a pass."""
    macs: Mapped[float] = mapped_column()
    """Multiply-adds that were computed, as counted."""
    batches: Mapped[float] = mapped_column()
    """Passes of a batch, as counted."""
    seconds: Mapped[float] = mapped_column()
    at: Mapped[datetime] = mapped_column(insert_default=Now())

    __table_args__ = (
        CheckConstraint("seconds > 0", name="seconds_positive"),
        Index(
            "ix_stage_rates_of",
            "device_name",
            "kind",
            "size_class",
            "id",
        ),
    )


class JobPace(Base):
    """How many images go through the stage that a job is at."""

    __tablename__ = "job_paces"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    images_per_second: Mapped[float | None] = mapped_column()
    at: Mapped[datetime] = mapped_column(insert_default=Now())
