"""What the child tells, written down: an event row, the job's columns, its metrics, its report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import delete, func, insert, literal, select, update
from sqlalchemy.orm import Session

from cartl_core.events import (
    AttackFinished,
    CandidateChosen,
    EpochFinished,
    Event,
    ExportWithheld,
    Progress,
    ReportUpdated,
    RuntimeResolved,
    StageComputedAnew,
    StageFinished,
    StageMeasured,
    StageStarted,
    Warned,
)
from cartl_core.planning.estimates.rates import Machine
from cartl_core.spec import Runtime
from jobs.database.dialect import json_type
from jobs.store.change import append, plain
from jobs.store.claim import Claim
from jobs.store.machines.rates import keep, note_pace
from jobs.tables import Job, Metric

LABEL_LENGTH = 200


def _where(event: StageStarted | EpochFinished) -> dict[str, Any]:
    return {"stage": event.stage, "stage_label": event.label[:LABEL_LENGTH]}


def _runtime(event: RuntimeResolved) -> dict[str, Any]:
    return {"runtime": func.coalesce(Job.runtime, literal(plain(event.runtime), json_type()))}


def _nothing(event: object) -> dict[str, Any]:
    return {}


# Which columns of the job an event changes; an event that is not here is not for `record`.
COLUMNS: dict[type, Callable[[Any], dict[str, Any]]] = {
    RuntimeResolved: _runtime,
    StageStarted: _where,
    EpochFinished: _where,
    StageComputedAnew: _nothing,
    StageFinished: _nothing,
    AttackFinished: _nothing,
    CandidateChosen: _nothing,
    ReportUpdated: _nothing,
    ExportWithheld: _nothing,
    Warned: _nothing,
}


def record(session: Session, claim: Claim, event: Event) -> int:
    """Append what the child reported and update the job's columns; returns the job's newest event number.

    ``progress`` updates columns only, ``stage_measured`` keeps a rate: neither is an event of the job.
    ``epoch_finished`` also writes metrics named ``LABEL/METRIC``, ``report_updated`` the report,
    ``runtime_resolved`` the runtime (the first one stays).

    Raises:
        LostClaim: the job is no longer running under this token.
        ValueError: the event has a function of its own (stages, artifacts, the end of a run).
    """
    if isinstance(event, Progress):
        return _progress(session, claim, event)
    if isinstance(event, StageMeasured):
        return _measured(session, claim, event)
    if type(event) not in COLUMNS:
        raise ValueError(f"{event.type} is recorded by a function of its own")
    columns = COLUMNS[type(event)](event)
    if isinstance(event, ReportUpdated):
        columns = {"report": _report_with(session, claim, event.sections)}
    appended = append(session, claim.fence, event.type, _body(event), **columns)
    if appended is None:
        raise claim.lost
    if isinstance(event, EpochFinished):
        _write_metrics(session, claim.job_id, event)
    return appended.number


def _report_with(session: Session, claim: Claim, sections: Mapping[str, Any]) -> dict[str, Any]:
    """The stored report with ``sections`` in the place of its own; a run's first ones are all there are."""
    stored = session.execute(select(Job.report).where(claim.fence)).scalar_one_or_none()
    return {**(stored or {}), **sections}


def _body(event: Event) -> dict[str, Any]:
    """The event's JSON; of a report only whether it is complete, since the row has the rest."""
    if isinstance(event, ReportUpdated):
        return {"complete": event.complete}
    return plain(event, exclude={"type"})


def _progress(session: Session, claim: Claim, event: Progress) -> int:
    count = session.execute(
        update(Job)
        .where(claim.fence)
        .values(
            stage=event.stage,
            stage_label=event.label[:LABEL_LENGTH],
            fraction=event.fraction,
            seconds_left=event.seconds_left,
        )
        .returning(Job.event_count)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if count is None:
        raise claim.lost
    note_pace(session, claim.job_id, event.images_per_second)
    return count


def _measured(session: Session, claim: Claim, event: StageMeasured) -> int:
    """Keep what a stage took, where the run has said what it runs on."""
    row = session.execute(select(Job.runtime, Job.event_count).where(claim.fence)).one_or_none()
    if row is None:
        raise claim.lost
    if row.runtime is not None:
        keep(session, Machine.of(Runtime.model_validate(row.runtime)), event)
    return int(row.event_count)


def _write_metrics(session: Session, job_id: str, event: EpochFinished) -> None:
    """The epoch's finite numbers; an epoch that is done again after a resume replaces its own."""
    points = {
        f"{event.label}/{name}"[:LABEL_LENGTH]: value
        for name, value in event.metrics.items()
        if math.isfinite(value)
    }
    if not points:
        return
    session.execute(
        delete(Metric)
        .where(Metric.job_id == job_id, Metric.step == event.epoch, Metric.name.in_(points))
        .execution_options(synchronize_session=False)
    )
    rows = [
        {"job_id": job_id, "name": name, "step": event.epoch, "value": value}
        for name, value in points.items()
    ]
    session.execute(insert(Metric), rows)
