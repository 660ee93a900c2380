"""Tables of what hears of jobs: webhooks with what is owed to them, and how far trackers have come."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from jobs.database.dialect import Now
from jobs.tables.base import ID, Base, _where


class Webhook(Base):
    """A URL of an owner that is called when something happens to a job of theirs."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID)
    url: Mapped[str] = mapped_column(Text)
    events: Mapped[list[str]] = mapped_column()
    secret: Mapped[str] = mapped_column(String(128))
    """In plain text: each message is signed with it."""
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())

    __table_args__ = (Index("ix_webhooks_listing", "owner_id", "created_at", "id"),)


class WebhookDelivery(Base):
    """One message for one webhook, owed since the transaction of the change that it tells of."""

    __tablename__ = "webhook_deliveries"

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    """Sent as ``webhook-id``, the same in every attempt."""
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    owner_id: Mapped[str] = mapped_column(ID)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    event: Mapped[str] = mapped_column(String(32))
    body: Mapped[str] = mapped_column(Text)
    """The very text that is signed and sent."""
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(server_default="0")
    """Raised by each claim, so it says as well which attempt may write."""
    lease_expires_at: Mapped[datetime | None] = mapped_column()
    """While an attempt is under way."""
    next_attempt_at: Mapped[datetime | None] = mapped_column()
    status: Mapped[int | None] = mapped_column()
    """Of the last answer; null where none came."""
    error: Mapped[str | None] = mapped_column(Text)
    """Why none came, for people."""
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())
    finished_at: Mapped[datetime | None] = mapped_column()

    __table_args__ = (
        CheckConstraint("state IN ('pending', 'delivered', 'given_up')", name="state_known"),
        CheckConstraint("(state = 'pending') = (next_attempt_at IS NOT NULL)", name="pending_has_a_time"),
        CheckConstraint("(state = 'pending') = (finished_at IS NULL)", name="ended_at"),
        Index("ix_webhook_deliveries_log", "webhook_id", "created_at", "id"),
        Index("ix_webhook_deliveries_due", "next_attempt_at", **_where("state = 'pending'")),
        Index("ix_webhook_deliveries_under_way", "owner_id", **_where("lease_expires_at IS NOT NULL")),
    )


class TrackedJob(Base):
    """How far one tracker has come with one job; made when the job is claimed."""

    __tablename__ = "tracked_jobs"

    tracker: Mapped[str] = mapped_column(String(32), primary_key=True)
    job_id: Mapped[str] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    number: Mapped[int] = mapped_column(server_default="0")
    """Of the newest event that the tracker has taken."""
    run: Mapped[str | None] = mapped_column(String(200))
    """The tracker's own id of the job, once it gave one."""
    failures: Mapped[int] = mapped_column(server_default="0")
    """In a row."""
    next_at: Mapped[datetime] = mapped_column(insert_default=Now())
    """Not looked at before: it moves away with each failure."""
    ended_at: Mapped[datetime | None] = mapped_column()
    """When the tracker had the whole job, or was given up for it."""

    __table_args__ = (Index("ix_tracked_jobs_open", "tracker", "next_at", **_where("ended_at IS NULL")),)
