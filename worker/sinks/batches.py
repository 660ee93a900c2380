"""From the record of a job to what a tracker is given."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session

from jobs import store
from jobs.settings import Settings
from jobs.state import JobState
from jobs.store.tracked_jobs import Tracked
from jobs.tables import Job, JobEvent
from worker.sinks.values import Batch, JobFile, Point

EVENTS = 500
"""Of one job in one batch."""
NAME_LENGTH, VALUE_LENGTH = 200, 500
"""What every version of MLflow takes of a parameter."""
PARAMETERS = 1000


def read_batch(session: Session, settings: Settings, tracked: Tracked) -> tuple[Batch, int]:
    """What is new of a job, and the number of the last event in it.

    Raises:
        JobNotFound: it was deleted.
    """
    job = store.find(session, tracked.job_id)
    events = store.events_after(session, job.id, tracked.number, EVENTS)
    number = events[-1].number if events else tracked.number
    whole = JobState(job.state).is_terminal and number == job.event_count
    batch = Batch(
        job_id=job.id,
        title=job.name or f"{job.method} on {job.dataset}",
        owner=job.owner_id,
        tags=tuple(job.tags),
        parameters=parameters_of(job.spec),
        started_at=job.started_at or job.created_at,
        run=tracked.run,
        first=tracked.number == 0,
        claimed=any(event.type == "claimed" for event in events),
        points=tuple(point for event in events for point in points_of(event)),
        state=JobState(job.state),
        whole=whole,
        finished_at=job.finished_at,
        files=_files_of(session, settings, job) if whole else (),
    )
    return batch, number


def points_of(event: JobEvent) -> Iterator[Point]:
    """The finite numbers that an event tells."""
    body = event.body
    if event.type == "epoch_finished":
        series = plain_name(body["label"])
        for name, value in body["metrics"].items():
            if value is not None and math.isfinite(value):
                yield Point(series, plain_name(name), float(value), body["epoch"], event.at)
    elif event.type == "attack_finished":
        result = body["result"]
        series = f"robustness/{plain_name(body['subject'])}"
        yield Point(series, plain_name(result["label"]), float(result["robust"]["value"]), None, event.at)


def parameters_of(spec: dict[str, Any]) -> dict[str, str]:
    """A specification as names and texts: ``transfer.lr``; what is null is left out, a list is JSON."""
    found = dict(_flattened(spec, ""))
    return dict(list(found.items())[:PARAMETERS])


def _flattened(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _flattened(part, f"{path}.{plain_name(name)}" if path else plain_name(name))
    elif value is not None:
        text = value if isinstance(value, str) else json.dumps(value)
        yield path[:NAME_LENGTH], text[:VALUE_LENGTH]


def plain_name(text: str) -> str:
    """A name that every tracker takes: what is not a letter, a digit or one of ``_ . -`` becomes ``_``.

    It never names the folder above.
    """
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text)[:NAME_LENGTH].strip("_.") or "_"


def _files_of(session: Session, settings: Settings, job: Job) -> tuple[JobFile, ...]:
    return tuple(
        JobFile(file.name, file.path, file.size)
        for file in store.artifacts_of(session, job.id)
        if file.size <= settings.tracker_file_bytes
    )
