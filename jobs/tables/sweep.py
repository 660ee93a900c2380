"""The table of sweeps."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from jobs.database.dialect import Now
from jobs.tables.base import ID, Base


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
