"""The table of the audit log: rows are added, and never changed or deleted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from jobs.database.dialect import Now
from jobs.tables.base import ID, Base


class AuditEntry(Base):
    """Who did what to which object, when, from where. Triggers refuse to change or delete a row."""

    __tablename__ = "audit_log"

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    """Rises; a change that was not made leaves a gap."""
    at: Mapped[datetime] = mapped_column(insert_default=Now())
    owner_id: Mapped[str | None] = mapped_column(ID)
    """Of the key that asked; null where it is not known, and for the console."""
    key_id: Mapped[str | None] = mapped_column(ID)
    address: Mapped[str | None] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(32))
    object: Mapped[str] = mapped_column(String(200))
    object_owner: Mapped[str | None] = mapped_column(ID)
    outcome: Mapped[str] = mapped_column(String(16))
    detail: Mapped[dict[str, Any] | None] = mapped_column()
