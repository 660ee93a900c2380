"""Tables of who may do what: keys, sessions of browsers, shares, idempotency keys, uploads."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from jobs.database.dialect import Now
from jobs.tables.base import ID, Base


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


class UploadReservation(Base):
    """A place for an upload that is under way; it counts until ``expires_at``, which is renewed."""

    __tablename__ = "upload_reservations"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID)
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes that may come."""
    expires_at: Mapped[datetime] = mapped_column()


class ApiKey(Base):
    """A key: only the SHA-256 of its secret is kept."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID)
    name: Mapped[str] = mapped_column(String(200))
    hash: Mapped[str] = mapped_column(ID)
    scopes: Mapped[list[str]] = mapped_column()
    """Those of ``role``, for the version before roles."""
    role: Mapped[str] = mapped_column(String(16), server_default="viewer")
    previous_hash: Mapped[str | None] = mapped_column(ID)
    """Of the secret before the last rotation, which counts until ``previous_until``."""
    previous_until: Mapped[datetime | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())
    expires_at: Mapped[datetime | None] = mapped_column()
    last_used_at: Mapped[datetime | None] = mapped_column()
    """To the minute: it is not written more often."""
    revoked_at: Mapped[datetime | None] = mapped_column()


class WebSession(Base):
    """A browser that has signed in with a key; only the SHA-256 of the cookie's value is kept."""

    __tablename__ = "web_sessions"

    hash: Mapped[str] = mapped_column(ID, primary_key=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())
    expires_at: Mapped[datetime] = mapped_column()


class JobShare(Base):
    """An owner who may see somebody else's job."""

    __tablename__ = "job_shares"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())

    __table_args__ = (Index("ix_job_shares_of_reader", "owner_id", "job_id"),)


class IdempotencyKey(Base):
    """What a client's key was first used for: a job, or a data set or teacher."""

    __tablename__ = "idempotency_keys"

    owner_id: Mapped[str] = mapped_column(ID, primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    body_digest: Mapped[str] = mapped_column(ID)
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    resource_id: Mapped[str | None] = mapped_column(ID)
    """Of a data set or a teacher; the key goes with it."""
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())
