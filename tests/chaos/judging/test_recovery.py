"""How recovery is counted, on looks that are made up."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.state import JobState
from tests.chaos.judging import recovery
from tests.chaos.judging.recovery import (
    Look,
    Recoveries,
    Sight,
    freed,
    own,
    percentile,
    row,
    whole,
)


def sight(state: JobState, token: int = 1, **facts: Any) -> Sight:
    plain: dict[str, Any] = {"reason": None, "heartbeat": 0.0, "fraction": 0.0, "is_claimable": False}
    return Sight(state=state, token=token, **{**plain, **facts})


RUNNING, QUEUED = sight(JobState.RUNNING), sight(JobState.QUEUED, is_claimable=True)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(recovery, "time", made)
    return made


def see(recoveries: Recoveries, clock: Clock, *looks: tuple[float, Look]) -> None:
    for seconds, look in looks:
        clock.now += seconds
        recoveries.observe(look)


def test_a_wait_for_a_slot_is_queueing_and_a_wait_beside_an_idle_one_is_not(clock: Clock) -> None:
    recoveries = Recoveries(slots=2, seen_at=clock.now)
    recoveries.wounds.append(made := wound_of(recoveries, "a"))
    see(
        recoveries,
        clock,
        (3, {"a": RUNNING, "b": RUNNING, "c": QUEUED}),  # still held by the claim that was struck
        (2, {"a": QUEUED, "b": RUNNING, "c": RUNNING}),  # free, no slot
        (4, {"a": QUEUED, "b": RUNNING, "c": RUNNING}),
        (1, {"a": QUEUED, "b": RUNNING}),  # a slot is idle: the service should have seen it
        (5, {"a": sight(JobState.RUNNING, token=2), "b": RUNNING}),
    )
    assert (made.freed, made.seconds, made.queued) == (5, 15, 6)
    assert (own([made]), whole([made]), freed([made])) == ([9], [15], [5])


def wound_of(recoveries: Recoveries, job_id: str) -> recovery.Wound:
    recoveries.expect_job("training child", job_id, 1)
    return recoveries.wounds.pop()


def test_a_failure_that_a_person_must_mend_is_no_recovery(clock: Clock) -> None:
    recoveries = Recoveries(slots=1, seen_at=clock.now)
    recoveries.expect_job("disk full", "a", 1)
    see(recoveries, clock, (1, {"a": sight(JobState.FAILED, reason="disk_full")}))
    assert len(recoveries.open) == 1
    see(recoveries, clock, (1, {"a": sight(JobState.FAILED, reason="worker_lost")}))
    assert recoveries.open == []


def test_what_hung_on_a_server_has_recovered_when_the_last_of_it_has(clock: Clock) -> None:
    recoveries = Recoveries(slots=2, seen_at=clock.now)
    recoveries.expect("PostgreSQL", recovery.all_heard_of({"a": 1, "b": 1}, after=50.0))
    see(recoveries, clock, (1, {"a": sight(JobState.RUNNING, heartbeat=51.0), "b": RUNNING}))
    assert len(recoveries.open) == 1
    see(recoveries, clock, (1, {"a": RUNNING, "b": sight(JobState.RUNNING, heartbeat=52.0)}))
    assert len(recoveries.open) == 1, "each look stands for itself"
    beating = sight(JobState.RUNNING, heartbeat=53.0)
    see(recoveries, clock, (1, {"a": beating, "b": sight(JobState.RUNNING, token=2)}))
    assert whole(recoveries.healed()) == [3]


def test_percentiles_and_rows() -> None:
    values = [float(value) for value in range(1, 101)]
    assert percentile(values, 0.95) == 95 and percentile([7.0], 0.95) == 7
    assert row(values) == "50.5, 95.0, 100.0" and row([]) == ""
