"""The short form of `make chaos`: each kind of fault once, short leases, real servers, real jobs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.campaign import Campaign
from tests.chaos.faults import FAULTS, KILLS, Outcome, Plan, counts

PLAN = Plan(
    kills=len(KILLS),
    seed=0,
    # It ends when its jobs have ended, which takes longer on a machine that does other things too.
    limit_seconds=900.0,
    drain_seconds=300.0,
    pause_seconds=1.5,
    alive=4,
    variants=2,
    epochs=4,
    away_seconds=4.0,
    # Until there is something to strike: a busy machine begins a check late.
    patience_seconds=45.0,
    settings={
        "slots": 2,
        "lease_seconds": 6.0,
        "renew_seconds": 1.0,
        "sweep_seconds": 0.5,
        "stop_grace_seconds": 8.0,
        "checkpoint_seconds": 0.0,
        "max_attempts": 100,
        "threads": 1,
        "device": "cpu",
    },
)
NEEDS_LUCK = {"cancel near the end", "bit flipped in an artifact"}
"""Strikes only while a job is nearly done, or once one is and the API is there."""
NEEDS_MOUNT = {"disk full"}


@pytest.fixture(scope="module")
def outcome() -> Iterator[Outcome]:
    lines: list[str] = []
    yield Campaign(PLAN, lines.append).run()


@pytest.mark.timeout(1000)
def test_jobs_survive_each_kind_of_fault(outcome: Outcome) -> None:
    assert outcome.violations == []
    assert set(outcome.states) <= {"succeeded", "cancelled"}
    assert outcome.states["succeeded"] >= 2


def test_each_kind_of_fault_struck(outcome: Outcome) -> None:
    missing = set(FAULTS) - set(outcome.recoveries.strikes) - NEEDS_LUCK
    assert missing <= (set() if outcome.facts["a disk to fill"] else NEEDS_MOUNT)
    assert sum(outcome.recoveries.strikes.get(name, 0) for name in KILLS) == PLAN.kills


def test_every_wound_was_seen_to_heal(outcome: Outcome) -> None:
    assert outcome.recoveries.open == []
    assert len(outcome.recoveries.healed("training child")) >= 1


def test_a_campaign_of_two_hundred_kills_has_enough_of_everything() -> None:
    drawn = counts(200)
    assert sum(drawn[name] for name in KILLS) == 200
    assert min(drawn.values()) >= 4
