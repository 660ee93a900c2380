"""The short form of `make chaos`: each kind of kill once, short leases, real servers, real jobs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.campaign import Campaign, Outcome, Plan
from tests.chaos.faults import KILLS

PLAN = Plan(
    kills=8,
    seed=0,
    limit_seconds=250.0,
    drain_seconds=110.0,
    pause_seconds=1.5,
    alive=4,
    variants=2,
    epochs=4,
    away_seconds=4.0,
    settings={
        "lease_seconds": 6.0,
        "renew_seconds": 1.0,
        "sweep_seconds": 0.5,
        "stop_grace_seconds": 8.0,
        "checkpoint_seconds": 0.0,
        "max_attempts": 100,
        "threads": 1,
        "device": "cpu",
    },
    sequence=tuple(KILLS),
)


@pytest.fixture(scope="module")
def outcome() -> Iterator[Outcome]:
    lines: list[str] = []
    yield Campaign(PLAN, lines.append).run()


@pytest.mark.timeout(300)
def test_jobs_survive_each_kind_of_kill(outcome: Outcome) -> None:
    assert outcome.violations == []
    assert outcome.facts["kills"] == PLAN.kills
    assert set(outcome.states) <= {"succeeded", "cancelled"}
    assert outcome.states["succeeded"] >= 2


def test_every_wound_was_seen_to_heal(outcome: Outcome) -> None:
    assert outcome.recoveries.open == []
    assert len(outcome.recoveries.seconds("training child")) >= 1
