"""Limits that decide which job is claimed: how many run, and how long they have run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from jobs.quotas import Limits
from jobs.store.quotas.device_time import used_seconds
from jobs.tables import OwnerQuota

MANY = 2**31 - 1
"""Stands for no limit."""


@dataclass(frozen=True)
class Caps:
    """Which limits there are: of the settings, or of some owner. What nobody has is not looked at.

    An owner is a name, or a column of the query around it.
    """

    defaults: Limits
    of_running: bool
    of_device_seconds: bool

    def running(self, owner: Any) -> ColumnElement[int]:
        """How many jobs an owner may run."""
        return _own(OwnerQuota.running, owner, self.defaults.running)

    def has_device_time(self, owner: Any) -> ColumnElement[bool]:
        """The owner has used fewer device seconds than allowed."""
        allowed = _own(OwnerQuota.device_seconds, owner, self.defaults.device_seconds)
        found: ColumnElement[bool] = used_seconds(owner, self.defaults.window_days) < allowed
        return found

    def room(self, session: Session, owner: str, running: int) -> int:
        """How many jobs more an owner with so many may run."""
        if self.of_device_seconds and not session.execute(select(self.has_device_time(owner))).scalar_one():
            return 0
        if not self.of_running:
            return MANY
        allowed: int = session.execute(select(self.running(owner))).scalar_one()
        return max(0, allowed - running)


def caps_of(session: Session, limits: Limits) -> Caps:
    """The limits that there are now; ``limits`` are those of the settings."""
    own = session.execute(select(func.count(OwnerQuota.running), func.count(OwnerQuota.device_seconds))).one()
    return Caps(
        limits,
        limits.running is not None or own[0] > 0,
        limits.device_seconds is not None or own[1] > 0,
    )


def _own(column: InstrumentedAttribute[Any], owner: Any, default: float | None) -> ColumnElement[Any]:
    own = select(column).where(OwnerQuota.owner_id == owner).scalar_subquery()
    return func.coalesce(own, MANY if default is None else default)
