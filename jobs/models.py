"""The tables. ``Job`` is the aggregate; everything else hangs on it or helps its workers.

Times that decide anything are set by the database's clock. Relations are not mapped: the store
asks for what it needs, so no query is a surprise.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, MetaData, String, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from jobs.dialect import Now, UtcTime, json_type
from jobs.state import JobState

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

ONLY_ON = "only_on"
"""In an index's ``info``: the one dialect that has it; for those who compare tables with this module."""
ID = String(64)
STATES = ", ".join(f"'{state}'" for state in JobState)


def _where(condition: str) -> dict[str, Any]:
    """Of a partial index, on both databases."""
    return {f"{dialect}_where": text(condition) for dialect in ("postgresql", "sqlite")}


class Base(DeclarativeBase):
    """All tables; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {datetime: UtcTime(), dict[str, Any]: json_type(), list[str]: json_type()}


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
    """Higher goes first."""
    attempts_used: Mapped[int] = mapped_column(server_default="0")
    """Attempts that lost their child or their lease; a clean release uses none."""
    max_attempts: Mapped[int] = mapped_column(server_default="3")
    token: Mapped[int] = mapped_column(server_default="0")
    """Fencing: raised by every claim, carried by every write of a worker; never falls."""
    worker_id: Mapped[str | None] = mapped_column(ID)
    supervisor_pid: Mapped[int | None] = mapped_column()
    """The process of that worker which runs it: when it is gone, the worker says so before the lease does."""
    lease_expires_at: Mapped[datetime | None] = mapped_column()
    heartbeat_at: Mapped[datetime | None] = mapped_column()
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
        Index("ix_jobs_everyones_listing", "created_at", "id"),
        Index("ix_jobs_of_sweep", "sweep_id", "created_at", "id", **_where("sweep_id IS NOT NULL")),
        Index("ix_jobs_claimable", "priority", "created_at", "id", **_where("state = 'queued'")),
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
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())
    finished_at: Mapped[datetime | None] = mapped_column()
    used_at: Mapped[datetime | None] = mapped_column(insert_default=Now())
    """When a run last asked for it; retention counts from here."""

    __table_args__ = (
        CheckConstraint("state IN ('computing', 'finished')", name="state_known"),
        CheckConstraint("(state = 'finished') = (path IS NOT NULL)", name="finished_has_a_path"),
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
    sha256: Mapped[str] = mapped_column(ID)
    token: Mapped[int] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())


class Upload(Base):
    """A network that somebody uploaded; ``path`` is relative to the artifacts directory."""

    __tablename__ = "uploads"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID)
    path: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(ID)
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes."""
    architecture: Mapped[dict[str, Any]] = mapped_column()
    """As its header tells it."""
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())

    __table_args__ = (Index("ix_uploads_owner_id_created_at", "owner_id", "created_at"),)


class ApiKey(Base):
    """A key: only the SHA-256 of its secret is kept."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID)
    name: Mapped[str] = mapped_column(String(200))
    hash: Mapped[str] = mapped_column(ID)
    scopes: Mapped[list[str]] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())
    revoked_at: Mapped[datetime | None] = mapped_column()


class JobShare(Base):
    """An owner who may see somebody else's job."""

    __tablename__ = "job_shares"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())

    __table_args__ = (Index("ix_job_shares_of_reader", "owner_id", "job_id"),)


class IdempotencyKey(Base):
    """What a client's key was first used for."""

    __tablename__ = "idempotency_keys"

    owner_id: Mapped[str] = mapped_column(ID, primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    body_digest: Mapped[str] = mapped_column(ID)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())


class Worker(Base):
    """A worker process and when it was last heard of."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int] = mapped_column()
    pid_space: Mapped[str | None] = mapped_column(ID)
    """Where ``pid`` means something: one boot of one machine, one container."""
    slots: Mapped[int] = mapped_column()
    version: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(insert_default=Now())
    heartbeat_at: Mapped[datetime] = mapped_column(insert_default=Now())
    stopped_at: Mapped[datetime | None] = mapped_column()


class Lock(Base):
    """A named lease, so that one sweeper at a time does the round."""

    __tablename__ = "locks"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(ID)
    expires_at: Mapped[datetime] = mapped_column()
