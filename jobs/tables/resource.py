"""Tables of what people bring: data sets and teachers, and whom each is shown to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from jobs.database.dialect import Now
from jobs.resource_state import DatasetState, TeacherState
from jobs.tables.base import ID, Base, _where

LIVING = "state <> 'rejected'"
"""Rows whose name nobody else of their owner may have. A rejected one gives its name free."""


class Resource:
    """Columns that data sets and teachers have in common."""

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID)
    name: Mapped[str] = mapped_column(ID)
    origin: Mapped[str] = mapped_column(String(16))
    """``upload``, or ``root`` of a folder of the server."""
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(ID)
    """Stable code of why it was rejected, or could not be checked."""
    message: Mapped[str | None] = mapped_column(Text)
    asked: Mapped[dict[str, Any]] = mapped_column()
    """``NewDataset`` or ``NewTeacher``, as it was posted."""
    found: Mapped[dict[str, Any] | None] = mapped_column()
    """``FoundDataset`` or ``FoundTeacher``; null until it was checked."""
    sha256: Mapped[str | None] = mapped_column(ID)
    """Of the content; null before its last byte, and of a folder."""
    size: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Bytes that were announced; 0 of a folder."""
    content: Mapped[str | None] = mapped_column(Text)
    """Key of the content in the store; null while there is none."""
    expires_at: Mapped[datetime | None] = mapped_column()
    """Until then its place is kept while no bytes come."""
    sender: Mapped[str | None] = mapped_column(ID)
    """The request that sends the bytes now; the others are refused."""
    sender_expires_at: Mapped[datetime | None] = mapped_column()
    """Renewed while bytes come; a sender that is not heard of so long has gone."""
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())
    updated_at: Mapped[datetime] = mapped_column(insert_default=Now())


def _constraints(table: str, states: Iterable[str]) -> tuple[CheckConstraint | Index, ...]:
    known = ", ".join(f"'{state}'" for state in states)
    return (
        CheckConstraint(f"state IN ({known})", name="state_known"),
        CheckConstraint("(state = 'receiving') = (expires_at IS NOT NULL)", name="receiving_expires"),
        CheckConstraint("sender IS NULL OR state = 'receiving'", name="receiving_is_sent"),
        Index(f"ix_{table}_listing", "owner_id", "created_at", "id"),
        Index(f"uq_{table}_name", "owner_id", "name", unique=True, **_where(LIVING)),
    )


class Dataset(Resource, Base):
    """A data set that somebody uploaded, or registered where it lies on the server."""

    __tablename__ = "datasets"

    root: Mapped[str | None] = mapped_column(Text)
    """The folder, absolute and without links; null of an upload."""
    root_stamp: Mapped[str | None] = mapped_column(ID)
    """Digest of the names, sizes and times of its files when it was registered."""

    __table_args__ = _constraints("datasets", DatasetState)


class Teacher(Resource, Base):
    """A network that somebody uploaded to learn from."""

    __tablename__ = "teachers"
    __table_args__ = _constraints("teachers", TeacherState)


class DatasetShare(Base):
    """An owner who may use somebody else's data set."""

    __tablename__ = "dataset_shares"

    resource_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())

    __table_args__ = (Index("ix_dataset_shares_of_reader", "owner_id", "resource_id"),)


class TeacherShare(Base):
    """An owner who may use somebody else's teacher."""

    __tablename__ = "teacher_shares"

    resource_id: Mapped[str] = mapped_column(ForeignKey("teachers.id", ondelete="CASCADE"), primary_key=True)
    owner_id: Mapped[str] = mapped_column(ID, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(insert_default=Now())

    __table_args__ = (Index("ix_teacher_shares_of_reader", "owner_id", "resource_id"),)
