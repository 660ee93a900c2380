"""The table of tasks: work for a worker that is no job."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from jobs.database.dialect import Now
from jobs.tables.base import ID, Base, _where

TASK_STATES = ("queued", "running", "succeeded", "failed")


class Task(Base):
    """Something that a worker does: for a data set or a teacher in its slot for tasks, for a job in any.

    Its parent is a row of another table, which depends on ``kind``; hence no foreign key. Who deletes the
    parent deletes its tasks.
    """

    __tablename__ = "tasks"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    parent_id: Mapped[str] = mapped_column(ID, index=True)
    owner_id: Mapped[str] = mapped_column(ID)
    state: Mapped[str] = mapped_column(String(16))
    payload: Mapped[dict[str, Any]] = mapped_column()
    """What tells the tasks of one parent apart; empty where there is one."""
    token: Mapped[int] = mapped_column(server_default="0")
    """Raised by each claim; every write of a claim carries it."""
    worker_id: Mapped[str | None] = mapped_column(ID)
    supervisor_pid: Mapped[int | None] = mapped_column()
    """The process of that worker which runs it."""
    lease_expires_at: Mapped[datetime | None] = mapped_column()
    attempts: Mapped[int] = mapped_column(server_default="0")
    """That failed or were lost; a clean shutdown uses none."""
    max_attempts: Mapped[int] = mapped_column(server_default="3")
    fraction: Mapped[float] = mapped_column(server_default="0")
    """Of this attempt, 0 to 1."""
    reason: Mapped[str | None] = mapped_column(ID)
    message: Mapped[str | None] = mapped_column(Text)
    """Of the last attempt that failed, for people."""
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())
    started_at: Mapped[datetime | None] = mapped_column()
    """Of the last claim."""
    finished_at: Mapped[datetime | None] = mapped_column()

    __table_args__ = (
        CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed')", name="state_known"),
        CheckConstraint("(state = 'running') = (lease_expires_at IS NOT NULL)", name="running_has_a_lease"),
        CheckConstraint("(state IN ('succeeded', 'failed')) = (finished_at IS NOT NULL)", name="ended_at"),
        CheckConstraint("fraction BETWEEN 0 AND 1", name="fraction_of_one"),
        Index("ix_tasks_queue", "created_at", "id", **_where("state = 'queued'")),
        Index("ix_tasks_leases", "lease_expires_at", **_where("state = 'running'")),
        Index("ix_tasks_turn", "owner_id", "started_at"),
    )
