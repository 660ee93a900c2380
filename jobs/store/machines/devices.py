"""What jobs run on, and what they ran on lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, load_only

from cartl_core.spec import Runtime
from jobs.state import JobState
from jobs.store.change import is_in
from jobs.tables import Job

ANY_JOB = {"commit": None, "tree_changed": None, "image": None, "attack_precision": "fp32"}
"""A device is the same whatever commit computed on it, and whatever network's attacks pay there in bf16."""
LOOKED_AT = 200
"""The newest jobs of everybody, among which devices are looked for."""


@dataclass(frozen=True)
class Device:
    """A device with the versions that jobs had on it.

    Attributes:
        runtime: as the machine decided it.
        jobs: of those looked at, how many ran on it.
        last_used: when the newest of them began.
    """

    runtime: Runtime
    jobs: int
    last_used: datetime


def devices(session: Session) -> tuple[Device, ...]:
    """Of the newest jobs, the most recently used device first."""
    newest = (
        select(Job.runtime, Job.started_at)
        .order_by(Job.created_at.desc(), Job.id.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    rows = session.execute(
        select(newest.c.runtime, newest.c.started_at)
        .where(newest.c.runtime.is_not(None), newest.c.started_at.is_not(None))
        .order_by(newest.c.started_at.desc())
    )
    found: dict[Runtime, Device] = {}
    for told, started_at in rows:
        runtime = Runtime.model_validate(told, strict=False).model_copy(update=ANY_JOB)
        known = found.get(runtime)
        found[runtime] = Device(
            runtime, 1 if known is None else known.jobs + 1, started_at if known is None else known.last_used
        )
    return tuple(found.values())


def running_jobs(session: Session, owner: str) -> Sequence[Job]:
    """Of ``owner``: the jobs that run, the eldest first, without their large columns."""
    shown = load_only(Job.id, Job.name, Job.fraction, Job.stage_label, raiseload=True)
    chosen = select(Job).where(is_in(Job, JobState.RUNNING), Job.owner_id == owner)
    return session.execute(chosen.options(shown).order_by(Job.started_at, Job.id)).scalars().all()
