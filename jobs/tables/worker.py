"""Tables of the workers, their slots, and of named leases."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from jobs.database.dialect import Now
from jobs.tables.base import ID, Base


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


class WorkerSlot(Base):
    """A place for one run in a worker, on one device.

    Its work is the job, or the part of one (a task), that it was last claimed for: the slot is busy while
    that runs under that token.
    """

    __tablename__ = "worker_slots"

    worker_id: Mapped[str] = mapped_column(ForeignKey("workers.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    device: Mapped[str] = mapped_column(String(32))
    """E.g. ``cuda:1``: the worker's second GPU."""
    work_id: Mapped[str | None] = mapped_column(ID)
    token: Mapped[int | None] = mapped_column()


class Directory(Base):
    """The id of a directory that every host of this database must see."""

    __tablename__ = "directories"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    """``stages`` or ``artifacts``."""
    id: Mapped[str] = mapped_column(ID)


class Lock(Base):
    """A named lease, so that one worker at a time does the round of maintenance."""

    __tablename__ = "locks"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(ID)
    expires_at: Mapped[datetime] = mapped_column()
