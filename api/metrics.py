"""The service in figures, read from SQL when Prometheus asks: no restart loses or repeats a count.

``docker/prometheus/alerts.yml`` has the alarms that go with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import quantiles

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from jobs.quotas import Limits
from jobs.state import JobState
from jobs.store import (
    LOSSES,
    Tally,
    claimable_count,
    state_counts,
    tally,
    workers,
)
from jobs.store.machines.slots import device_counts
from jobs.store.tasks import task_counts
from jobs.tables import TASK_STATES

LIVE_SECONDS = 60.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
QUANTILES = {"0.5": 50, "0.95": 95, "1": 100}
STAGES = ("pretrain", "transfer", "evaluate")


def exposition(
    session: Session, *, limits: Limits, broker_answers: bool, free_bytes: Mapping[str, int]
) -> tuple[bytes, str]:
    """The figures in Prometheus's text format, and its media type."""
    live = workers(session, seen_within_seconds=LIVE_SECONDS)
    figures = _Figures(
        states=state_counts(session),
        tasks=task_counts(session),
        claimable=claimable_count(session, limits),
        tally=tally(session),
        workers=len(live),
        slots=sum(worker.slots for worker in live),
        devices=device_counts(session, seen_within_seconds=LIVE_SECONDS),
        broker_answers=broker_answers,
        free_bytes=free_bytes,
    )
    registry = CollectorRegistry()
    registry.register(figures)
    return generate_latest(registry), CONTENT_TYPE_LATEST


@dataclass(frozen=True, eq=False)  # the registry keeps it by identity
class _Figures(Collector):
    states: Mapping[JobState, int]
    tasks: Mapping[str, int]
    claimable: int
    tally: Tally
    workers: int
    slots: int
    devices: Mapping[tuple[str, bool], int]
    broker_answers: bool
    free_bytes: Mapping[str, int]

    def collect(self) -> Iterator[Metric]:
        """Every figure with its words."""
        tally = self.tally
        states = {state.value: self.states.get(state, 0) for state in JobState}
        losses = {why: tally.recoveries.get(why, 0) for why in (*LOSSES, *tally.recoveries)}
        tasks = {state: self.tasks.get(state, 0) for state in TASK_STATES}
        yield _gauge("cartl_jobs", "Jobs by state.", states, "state")
        yield _gauge(
            "cartl_tasks",
            "Checks of data sets and teachers, and parts of evaluations, by state.",
            tasks,
            "state",
        )
        yield _single("cartl_claimable_jobs", "Jobs that a worker could take now.", self.claimable)
        yield _single(
            "cartl_oldest_queued_seconds", "Age of the oldest queued job.", tally.oldest_queued_seconds
        )
        yield CounterMetricFamily("cartl_claims", "How often a job was claimed.", value=tally.claims)
        yield _single(
            "cartl_last_claim_timestamp_seconds",
            "When a job was last claimed, in Unix time; 0 when none was.",
            _unix(tally.last_claim_at),
        )
        yield _counter(
            "cartl_recoveries", "Jobs that were queued again because their run was lost.", losses, "why"
        )
        yield _single("cartl_workers", "Workers heard of in the last minute.", self.workers)
        yield _single("cartl_slots", "Runs that they can do at a time.", self.slots)
        yield _slots_by_device(self.devices)
        yield _single(
            "cartl_last_heartbeat_timestamp_seconds",
            "When any worker was last heard of, in Unix time; 0 when none ever was.",
            _unix(tally.last_heartbeat_at),
        )
        yield _single(
            "cartl_longest_silence_seconds",
            "Since the least heard running job was heard of; its lease is 45 s.",
            tally.longest_silence_seconds,
        )
        yield _single("cartl_broker_up", "1 when the broker answers, else 0.", float(self.broker_answers))
        yield _gauge("cartl_free_bytes", "Room on the disk, by what is kept there.", self.free_bytes, "place")
        yield from _stage_durations(tally)


def _slots_by_device(devices: Mapping[tuple[str, bool], int]) -> Metric:
    family = GaugeMetricFamily(
        "cartl_device_slots",
        "Slots of the workers heard of in the last minute, by device and whether a job runs there.",
        labels=("device", "state"),
    )
    for device in sorted({device for device, _ in devices}):
        for busy, state in ((True, "busy"), (False, "idle")):
            family.add_metric((device, state), devices.get((device, busy), 0))
    return family


def _stage_durations(tally: Tally) -> Iterator[Metric]:
    computed = {stage: len(tally.stage_seconds.get(stage, ())) for stage in STAGES}
    yield _gauge(
        "cartl_stages_computed_last_day", "Stages that were computed in the last 24 hours.", computed, "stage"
    )
    durations = GaugeMetricFamily(
        "cartl_stage_seconds",
        "How long they took in their last attempt; quantile 1 is the longest.",
        labels=("stage", "quantile"),
    )
    for stage, seconds in tally.stage_seconds.items():
        cuts = [*quantiles(seconds, n=100, method="inclusive"), max(seconds)] if len(seconds) > 1 else []
        for name, percent in QUANTILES.items():
            durations.add_metric((stage, name), cuts[percent - 1] if cuts else seconds[0])
    yield durations


def _single(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)


def _gauge(name: str, words: str, values: Mapping[str, float], label: str) -> Metric:
    return _labelled(GaugeMetricFamily(name, words, labels=(label,)), values)


def _counter(name: str, words: str, values: Mapping[str, float], label: str) -> Metric:
    return _labelled(CounterMetricFamily(name, words, labels=(label,)), values)


def _labelled(
    family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[str, float]
) -> GaugeMetricFamily | CounterMetricFamily:
    for value, number in values.items():
        family.add_metric((value,), number)
    return family


def _unix(time: datetime | None) -> float:
    return (time - EPOCH).total_seconds() if time else 0.0
