"""Sweeps in the record: all jobs written or none, looked at together, cancelled together.

A sweep's row says what was asked; everything that came of it is read from its jobs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, func, literal, select, tuple_
from sqlalchemy.orm import Session, defer

from cartl_core.catalog import model_facts
from cartl_core.report import Validation
from cartl_core.report.values import Interval
from cartl_core.spec import JobRequest, JobSpec
from cartl_core.spec.sweep import SweepRequest
from cartl_core.statistics.sweep_summary import Setting, SweepTable, Trial, sweep_table
from jobs import store
from jobs.database.advisory_locks import wait_for
from jobs.database.dialect import UtcTime
from jobs.errors import NotAllowed, SweepNotFound
from jobs.quotas import Limits
from jobs.state import TERMINAL, JobState
from jobs.store.change import plain, printable
from jobs.store.observe import cursor_of, read_cursor
from jobs.store.submit import new_id
from jobs.tables import Job, Sweep


@dataclass(frozen=True)
class Planned:
    """A job of a sweep that is ready to be written."""

    request: JobRequest
    spec: JobSpec
    estimate: dict[str, Any]


@dataclass(frozen=True)
class SweepState:
    """Where the jobs of a sweep are; ``fraction``: done, of all jobs, each counted alike, 0 to 1."""

    counts: Mapping[JobState, int]
    fraction: float

    @property
    def jobs(self) -> int:
        """How many there are."""
        return sum(self.counts.values())


def submit_sweep(
    session: Session,
    *,
    request: SweepRequest,
    planned: Sequence[Planned],
    owner: str,
    max_attempts: int = 3,
    limits: Limits | None = None,
) -> tuple[Sweep, list[Job]]:
    """Write a sweep and its jobs, in their order.

    Raises:
        TooManyJobs: the queue of the owner has no room for all of them.
        QuotaExceeded: device seconds or stored bytes are used up.
    """
    if limits is not None:
        wait_for(session, f"sweep\n{owner}")  # so that none counts while another writes
        store.remaining_quota(session, owner, limits, len(planned))
    sweep = Sweep(
        id=new_id(),
        owner_id=owner,
        name=request.name,
        request=plain(request, exclude_unset=True),
        grid=plain(request.grid, exclude_none=True),
        margin=request.margin,
    )
    session.add(sweep)
    session.flush()
    jobs = [
        store.submit(
            session,
            request=one.request,
            spec=one.spec,
            estimate=one.estimate,
            owner=owner,
            sweep_id=sweep.id,
            priority=one.request.priority,
            max_attempts=max_attempts,
        )
        for one in planned
    ]
    return sweep, jobs


def find_sweep(session: Session, sweep_id: str, owner: str) -> Sweep:
    """The sweep; somebody else's does not exist.

    Raises:
        SweepNotFound: there is none.
    """
    found = session.execute(
        select(Sweep).where(Sweep.id == sweep_id, Sweep.owner_id == owner)
    ).scalar_one_or_none()
    if found is None:
        raise SweepNotFound(f"there is no sweep {printable(sweep_id)!r}", sweep_id=sweep_id)
    return found


def list_sweeps(
    session: Session, owner: str, *, cursor: str | None = None, limit: int = 50
) -> tuple[Sequence[Sweep], str | None]:
    """A page of sweeps, newest first, without their requests, and the cursor of the next page.

    Raises:
        BadCursor: the cursor is not one that this function gave.
    """
    wanted: list[ColumnElement[bool]] = [Sweep.owner_id == owner]
    if cursor is not None:
        created_at, last = read_cursor(cursor)
        before = tuple_(literal(created_at, UtcTime()), literal(last))
        wanted.append(tuple_(Sweep.created_at, Sweep.id) < before)
    newest_first = select(Sweep).where(*wanted).order_by(Sweep.created_at.desc(), Sweep.id.desc())
    page = newest_first.options(defer(Sweep.request, raiseload=True)).limit(limit + 1)
    rows = session.execute(page).scalars().all()
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], cursor_of(rows[limit - 1].created_at, rows[limit - 1].id)


def states_of(session: Session, sweep_ids: Sequence[str]) -> dict[str, SweepState]:
    """Where the jobs of each sweep are."""
    counted = (
        select(Job.sweep_id, Job.state, func.count(), func.sum(func.coalesce(Job.fraction, 0.0)))
        .where(Job.sweep_id.in_(sweep_ids))
        .group_by(Job.sweep_id, Job.state)
    )
    found: dict[str, list[tuple[JobState, int, float]]] = {sweep_id: [] for sweep_id in sweep_ids}
    for sweep_id, state, jobs, fractions in session.execute(counted):
        found[str(sweep_id)].append((JobState(state), jobs, fractions))
    return {sweep_id: _state(rows) for sweep_id, rows in found.items()}


def _state(rows: Sequence[tuple[JobState, int, float]]) -> SweepState:
    counts = dict.fromkeys(JobState, 0) | {state: jobs for state, jobs, _ in rows}
    done = sum(jobs if state in TERMINAL else fractions for state, jobs, fractions in rows)
    return SweepState(counts, min(1.0, done / max(1, sum(counts.values()))))


def cancel_sweep(session: Session, sweep_id: str, owner: str) -> Sweep:
    """Ask that every job of the sweep end that has not ended. Asking again does no harm.

    Raises:
        SweepNotFound: there is no such sweep of this owner.
    """
    sweep = find_sweep(session, sweep_id, owner)
    # In one order, so that two who cancel at once do not wait for each other.
    unfinished = select(Job.id).where(Job.sweep_id == sweep_id, Job.state.not_in(TERMINAL)).order_by(Job.id)
    for job_id in session.scalars(unfinished).all():
        with suppress(NotAllowed):  # it has ended in the meantime
            store.request_cancel(session, job_id, owner)
    return sweep


_STUDENT = Job.report["student"]
_FIGURES = _STUDENT["figures"]
_TRIALS = select(
    Job.id,
    Job.state,
    Job.method,
    Job.freeze_depth,
    Job.spec["model"]["name"].label("model"),
    Job.spec["seed"].label("seed"),
    Job.spec["transfer"]["beta"].label("beta"),
    Job.spec["pretrain"]["fdm_weight"].label("fdm_weight"),
    _STUDENT["validation"].label("validation"),
    _FIGURES["clean"].label("clean"),
    _FIGURES["worst_case"].label("robust"),
).order_by(Job.created_at, Job.id)
"""The parts of jobs that a table needs: a whole report is kilobytes, and a sweep may have hundreds."""


def table_of(session: Session, sweep: Sweep) -> SweepTable:
    """What the jobs of ``sweep`` have found so far."""
    rows = session.execute(_TRIALS.where(Job.sweep_id == sweep.id)).all()
    return sweep_table([_trial(row) for row in rows], sweep.margin)


def _trial(row: Row[Any]) -> Trial:
    succeeded = row.state == JobState.SUCCEEDED
    return Trial(
        job=row.id,
        setting=Setting(
            method=row.method,
            freeze_depth=row.freeze_depth,
            k=model_facts(row.model).blocks - row.freeze_depth,
            beta=row.beta,
            fdm_weight=row.fdm_weight,
        ),
        seed=row.seed,
        ended=row.state in TERMINAL,
        validation=Validation.model_validate(row.validation) if succeeded and row.validation else None,
        clean=_interval(row.clean) if succeeded else None,
        robust=_interval(row.robust) if succeeded else None,
    )


def _interval(stored: dict[str, Any] | None) -> Interval | None:
    return None if stored is None else Interval.model_validate(stored)
