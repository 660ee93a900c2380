"""The limits of an owner, what is used of each, and refusals that say both.

Nothing is a counter that could drift: what is used is summed over rows that exist anyway, by indexes, when
it is asked for. Seconds and bytes are summed only where there is a limit on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Select, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from jobs.database.dialect import Now
from jobs.errors import QuotaExceeded
from jobs.quotas import Limits
from jobs.state import JobState
from jobs.store.change import is_in
from jobs.store.quotas.device_time import used_seconds
from jobs.tables import Artifact, Dataset, Job, OwnerQuota, Teacher, Upload, UploadReservation

NAMES = ("queued", "running", "device_seconds", "stored_bytes")
"""Of the limits that an operator may set for one owner."""


@dataclass(frozen=True)
class Used:
    """What an owner uses now; device seconds within the window."""

    queued: int
    running: int
    device_seconds: float
    stored_bytes: int


def limits_of(session: Session, owner: str, defaults: Limits) -> Limits:
    """The limits of an owner: those that an operator has set, else the defaults."""
    return _with(session.get(OwnerQuota, owner, populate_existing=True), defaults)


def queued_and_limits(session: Session, owner: str, defaults: Limits) -> tuple[int, Limits]:
    """How many jobs of an owner are queued, and their limits: one statement."""
    one = select(literal(1).label("one")).subquery()
    found = select(_jobs(owner, JobState.QUEUED), OwnerQuota).select_from(
        one.outerjoin(OwnerQuota, OwnerQuota.owner_id == owner)
    )
    queued, row = session.execute(found.execution_options(populate_existing=True)).one()
    return queued, _with(row, defaults)


def used_by(session: Session, owner: str, window_days: float) -> Used:
    """What an owner uses now: one statement."""
    row = session.execute(
        select(
            _jobs(owner, JobState.QUEUED),
            _jobs(owner, JobState.RUNNING),
            used_seconds(owner, window_days),
            stored_bytes(owner),
        )
    ).one()
    return Used(row[0], row[1], float(row[2]), int(row[3]))


def demand_quota(session: Session, owner: str, limits: Limits) -> None:
    """See that a new job of ``owner`` may come, as far as device seconds and stored bytes say.

    Raises:
        QuotaExceeded: one of them is used up.
    """
    if limits.device_seconds is not None:
        used = session.execute(select(used_seconds(owner, limits.window_days))).scalar_one()
        if used >= limits.device_seconds:
            raise QuotaExceeded(
                f"{used:.0f} of {limits.device_seconds:.0f} device seconds are used within the last "
                f"{limits.window_days:g} days; wait until some of them are longer ago, or ask an operator",
                used=used,
                allowed=limits.device_seconds,
            )
    demand_bytes(session, owner, limits, 1)


def demand_bytes(session: Session, owner: str, limits: Limits, size: int) -> None:
    """See that ``size`` bytes more of an owner fit.

    Raises:
        QuotaExceeded: they do not.
    """
    left = bytes_left(session, owner, limits)
    if left is not None and size > left:
        allowed = limits.stored_bytes or 0
        raise QuotaExceeded(
            f"{allowed - left} of {allowed} stored bytes are used, by uploads, data sets, teachers and files "
            "of jobs; delete some of them, or ask an operator",
            used=allowed - left,
            allowed=allowed,
        )


def bytes_left(session: Session, owner: str, limits: Limits) -> int | None:
    """How many bytes more an owner may store, below 0 where a limit was lowered; None: no limit."""
    if limits.stored_bytes is None:
        return None
    return limits.stored_bytes - int(session.execute(select(stored_bytes(owner))).scalar_one())


def quotas_of_owners(session: Session) -> Sequence[OwnerQuota]:
    """All that operators have set, by owner."""
    return session.execute(select(OwnerQuota).order_by(OwnerQuota.owner_id)).scalars().all()


def set_quota(session: Session, owner: str, wanted: dict[str, int | None]) -> OwnerQuota:
    """Set the limits of an owner; those that are None or left out are the defaults again."""
    return session.merge(OwnerQuota(owner_id=owner, **{name: wanted.get(name) for name in NAMES}))


def clear_quota(session: Session, owner: str) -> bool:
    """Let the defaults count for an owner again; False where they do."""
    found = session.get(OwnerQuota, owner)
    if found is not None:
        session.delete(found)
        session.flush()
    return found is not None


def stored_bytes(owner: str) -> ColumnElement[int]:
    """Of what an owner has sent or is sending, and of the files of their jobs."""
    sums: list[Select[int]] = [
        select(_sum(column)).where(column.class_.owner_id == owner)
        for column in (Upload.size, Dataset.size, Teacher.size)
    ]
    coming = UploadReservation.owner_id == owner, UploadReservation.expires_at > Now()
    sums.append(select(_sum(UploadReservation.size)).where(*coming))
    sums.append(select(_sum(Artifact.size)).join(Job, Job.id == Artifact.job_id).where(Job.owner_id == owner))
    first, *others = (one.scalar_subquery() for one in sums)
    total: ColumnElement[int] = first
    for one in others:
        total = total + one
    return total


def _with(row: OwnerQuota | None, defaults: Limits) -> Limits:
    if row is None:
        return defaults
    found = {name: getattr(row, name) for name in NAMES}
    return replace(defaults, **{name: value for name, value in found.items() if value is not None})


def _jobs(owner: str, state: JobState) -> ColumnElement[int]:
    mine = select(func.count()).select_from(Job).where(is_in(Job, state), Job.owner_id == owner)
    return mine.scalar_subquery()


def _sum(size: ColumnElement[int] | InstrumentedAttribute[int]) -> ColumnElement[int]:
    return func.coalesce(func.sum(size), 0)
