"""Tables of what owners may use, and of what they have used."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from jobs.database.dialect import Now
from jobs.tables.base import ID, Base


class OwnerQuota(Base):
    """The limits of one owner that an operator has set; null: that of the settings counts."""

    __tablename__ = "owner_quotas"

    owner_id: Mapped[str] = mapped_column(ID, primary_key=True)
    queued: Mapped[int | None] = mapped_column()
    running: Mapped[int | None] = mapped_column()
    device_seconds: Mapped[int | None] = mapped_column(BigInteger)
    stored_bytes: Mapped[int | None] = mapped_column(BigInteger)
    updated_at: Mapped[datetime] = mapped_column(insert_default=Now(), onupdate=Now())


class DeviceUse(Base):
    """How long a claim of a job, or of a part of one, held a device: written when it ends."""

    __tablename__ = "device_uses"

    work_id: Mapped[str] = mapped_column(ID, primary_key=True)
    """Of the job or the task."""
    token: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner_id: Mapped[str] = mapped_column(ID)
    seconds: Mapped[float] = mapped_column()
    ended_at: Mapped[datetime] = mapped_column()

    __table_args__ = (Index("ix_device_uses_of_owner", "owner_id", "ended_at", "seconds"),)
