"""The table that says which versions of the program may use the database."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from jobs.tables.base import Base


class SchemaCompatibility(Base):
    """One row, written with each migration (``jobs.database.compatibility``).

    It counts while ``revision`` is the one in ``alembic_version``.
    """

    __tablename__ = "schema_compatibility"

    revision: Mapped[str] = mapped_column(String(32), primary_key=True)
    compatible_from: Mapped[str] = mapped_column(String(32))
    """The newest migration of the oldest program that may use the database."""
