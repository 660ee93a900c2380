"""Tables of jobs, of what they tell, and of the sweeps that group them; all other tables hang on these.

Times that decide anything are set by the database's clock. Relations are not mapped: the store
asks for what it needs, so no query is a surprise.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from jobs.database.dialect import Now
from jobs.state import JobState
from jobs.tables.base import ID, ONLY_ON, Base, _where

STATES = ", ".join(f"'{state}'" for state in JobState)
OF_ANYBODY = "id > ''"
"""True of every job, and said only by a query for jobs of all owners: no other takes the index by age alone.
For the newest jobs of one owner PostgreSQL would read it too, and pass over those of all others."""


class Job(Base):
    """One job: what was asked, where it is, and who runs it."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID)
    sweep_id: Mapped[str | None] = mapped_column(ID)
    """The sweep that it was submitted with; null for most."""
    name: Mapped[str | None] = mapped_column(String(200))
    tags: Mapped[list[str]] = mapped_column()
    dataset: Mapped[str] = mapped_column(String(64))
    """The target's name, for filters."""
    method: Mapped[str] = mapped_column(String(64))
    freeze_depth: Mapped[int | None] = mapped_column(server_default="0")
    """Null where the run chooses it; 0 where nothing is trained."""

    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(64))
    """Stable code of why it ended so: a ``JobError.reason``, ``worker_lost``, ``cancelled``."""
    message: Mapped[str | None] = mapped_column(Text)
    request: Mapped[dict[str, Any]] = mapped_column()
    spec: Mapped[dict[str, Any]] = mapped_column()
    spec_digest: Mapped[str] = mapped_column(ID)
    runtime: Mapped[dict[str, Any] | None] = mapped_column()
    """What the machine decided at the first claim; later attempts get it back."""
    report: Mapped[dict[str, Any] | None] = mapped_column()
    estimate: Mapped[dict[str, Any]] = mapped_column()

    priority: Mapped[int] = mapped_column(server_default="0")
    """Among the jobs of its owner, higher goes first."""
    attempts_used: Mapped[int] = mapped_column(server_default="0")
    """Attempts that lost their child or their lease; a clean release uses none."""
    fruitless_attempts: Mapped[int] = mapped_column(server_default="0")
    """Of those, the last ones in a row that came no further; ``max_attempts`` counts them."""
    max_attempts: Mapped[int] = mapped_column(server_default="3")
    token: Mapped[int] = mapped_column(server_default="0")
    """Fencing: raised by every claim, carried by every write of a worker; never falls."""
    worker_id: Mapped[str | None] = mapped_column(ID)
    supervisor_pid: Mapped[int | None] = mapped_column()
    """The process of that worker which runs it: when it is gone, the worker says so before the lease does."""
    lease_expires_at: Mapped[datetime | None] = mapped_column()
    heartbeat_at: Mapped[datetime | None] = mapped_column()
    claimed_at: Mapped[datetime | None] = mapped_column()
    """Of the last claim."""
    not_before: Mapped[datetime | None] = mapped_column()
    waiting_for: Mapped[str | None] = mapped_column(ID)
    """Digest of the stage that another job computes."""
    cancel_requested_at: Mapped[datetime | None] = mapped_column()

    stage: Mapped[str | None] = mapped_column(String(32))
    stage_label: Mapped[str | None] = mapped_column(String(200))
    fraction: Mapped[float | None] = mapped_column()
    """Of the whole run, 0 to 1."""
    seconds_left: Mapped[float | None] = mapped_column()
    event_count: Mapped[int] = mapped_column(server_default="0")
    """Number of the newest event: counted here, in the event's own transaction, so without gaps."""

    created_at: Mapped[datetime] = mapped_column(insert_default=Now())
    started_at: Mapped[datetime | None] = mapped_column()
    """First claim of the current try."""
    finished_at: Mapped[datetime | None] = mapped_column()

    __table_args__ = (
        CheckConstraint(f"state IN ({STATES})", name="state_known"),
        CheckConstraint(
            "(state = 'running') = (lease_expires_at IS NOT NULL AND worker_id IS NOT NULL)",
            name="running_is_leased",
        ),
        CheckConstraint("cancel_requested_at IS NULL OR state <> 'queued'", name="queued_is_not_cancelled"),
        CheckConstraint(
            "(state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)",
            name="finished_has_a_time",
        ),
        Index("ix_jobs_listing", "owner_id", "created_at", "id"),
        Index("ix_jobs_listing_by_state", "owner_id", "state", "created_at", "id"),
        Index("ix_jobs_listing_by_dataset", "owner_id", "dataset", "created_at", "id"),
        Index("ix_jobs_listing_by_method", "owner_id", "method", "created_at", "id"),
        Index(
            "ix_jobs_tags",
            "tags",
            postgresql_using="gin",
            postgresql_ops={"tags": "jsonb_path_ops"},
            info={ONLY_ON: "postgresql"},
        ).ddl_if("postgresql"),
        Index("ix_jobs_everyones_listing", "created_at", "id", **_where(OF_ANYBODY)),
        Index("ix_jobs_of_sweep", "sweep_id", "created_at", "id", **_where("sweep_id IS NOT NULL")),
        Index("ix_jobs_queue", "created_at", "id", "owner_id", "priority", **_where("state = 'queued'")),
        Index("ix_jobs_leases", "lease_expires_at", **_where("state = 'running'")),
        Index("ix_jobs_running_by_owner", "owner_id", **_where("state = 'running'")),
    )


Index(
    "ix_jobs_queue_of_owner",
    Job.owner_id,
    Job.priority.desc(),
    Job.created_at,
    Job.id,
    **_where("state = 'queued'"),
)


COUNTED_EVENTS = "type IN ('claimed', 'lost', 'stage_finished')"
"""Those that monitoring counts. A query says so in these very words: SQLite takes the index for no others."""


class JobEvent(Base):
    """One thing that happened to a job; numbers run 1, 2, 3 ... within a job."""

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type: Mapped[str] = mapped_column(String(32))
    attempt: Mapped[int] = mapped_column()
    """1 for the first attempt of a try."""
    at: Mapped[datetime] = mapped_column(insert_default=Now())
    body: Mapped[dict[str, Any]] = mapped_column()

    __table_args__ = (Index("ix_job_events_counted", "type", "at", **_where(COUNTED_EVENTS)),)


class Metric(Base):
    """One point of a series of one job, e.g. ``teacher (fdm)/robust_accuracy`` at epoch 3."""

    __tablename__ = "metrics"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[float] = mapped_column()
    at: Mapped[datetime] = mapped_column(insert_default=Now())


class Sweep(Base):
    """Jobs that were submitted together, to be compared. What came of it is read from them."""

    __tablename__ = "sweeps"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID)
    name: Mapped[str | None] = mapped_column(String(200))
    request: Mapped[dict[str, Any]] = mapped_column()
    grid: Mapped[dict[str, Any]] = mapped_column()
    """What is varied, for lists: the request may be kilobytes."""
    margin: Mapped[float] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())

    __table_args__ = (Index("ix_sweeps_listing", "owner_id", "created_at", "id"),)


class DeletedJob(Base):
    """A job that was deleted: who did it and when, and what monitoring goes on counting of it."""

    __tablename__ = "deleted_jobs"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID)
    deleted_by: Mapped[str] = mapped_column(ID)
    """The owner of the key that asked; another than the job's for an operator."""
    key_id: Mapped[str | None] = mapped_column(ID)
    """Of that key; null for this machine's own user, where no key is asked for."""
    claims: Mapped[int] = mapped_column()
    """How often it was claimed."""
    last_claim_at: Mapped[datetime | None] = mapped_column()
    losses: Mapped[dict[str, Any] | None] = mapped_column()
    """How often its run was lost, by why; null where it never was."""
    deleted_at: Mapped[datetime] = mapped_column(insert_default=Now())
