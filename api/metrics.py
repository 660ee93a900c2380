"""The queue in figures, read from SQL when Prometheus asks: no restart loses or repeats a count."""

from __future__ import annotations

from datetime import UTC, datetime

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.dialect import Now
from jobs.models import Job, JobEvent
from jobs.state import JobState
from jobs.store import claimable_count, state_counts, workers

LIVE_SECONDS = 60.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def exposition(session: Session) -> tuple[bytes, str]:
    """The figures in Prometheus's text format, and its media type."""
    registry = CollectorRegistry()
    states = Gauge("cartl_jobs", "Jobs by state.", ["state"], registry=registry)
    counts = state_counts(session)
    for state in JobState:
        states.labels(state=state.value).set(counts.get(state, 0))
    _gauge(registry, "cartl_claimable_jobs", "Jobs that a worker could take now.", claimable_count(session))
    _gauge(registry, "cartl_oldest_queued_seconds", "Age of the oldest queued job.", _oldest_queued(session))
    _gauge(
        registry,
        "cartl_last_claim_timestamp_seconds",
        "When a job was last claimed, in Unix time; 0 when none was.",
        _unix(session.scalar(select(func.max(JobEvent.at)).where(JobEvent.type == "claimed"))),
    )
    live = workers(session, seen_within_seconds=LIVE_SECONDS)
    _gauge(registry, "cartl_workers", "Workers heard of in the last minute.", len(live))
    _gauge(registry, "cartl_slots", "Runs that they can do at a time.", sum(worker.slots for worker in live))
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _gauge(registry: CollectorRegistry, name: str, words: str, value: float) -> None:
    Gauge(name, words, registry=registry).set(value)


def _oldest_queued(session: Session) -> float:
    """Seconds by the database's clock; 0 when nothing is queued."""
    oldest = session.scalar(select(func.min(Job.created_at)).where(Job.state == JobState.QUEUED))
    now = session.scalar(select(Now()))
    if oldest is None or now is None:
        return 0.0
    return float(max(0.0, (now - oldest).total_seconds()))


def _unix(time: datetime | None) -> float:
    return (time - EPOCH).total_seconds() if time else 0.0
