"""Why a job waits: one reason, the one that counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from api.web.waiting import Capacity, why_waiting
from jobs.state import JobState
from jobs.tables import Job

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FREE, FULL, ONE, NOBODY = Capacity(2, 1), Capacity(2, 2), Capacity(1, 1), Capacity(0, 0)


def job(**changes: object) -> Job:
    return Job(
        **{"state": JobState.QUEUED, "cancel_requested_at": None, "waiting_for": None, "not_before": None}
        | changes
    )


@pytest.mark.parametrize(
    ("waiting", "place", "capacity", "words"),
    [
        (job(), 1, FREE, "Number 1 in the queue: starts in a moment."),
        (job(), 3, FULL, "Number 3 in the queue: all 2 slots are taken."),
        (job(), 1, ONE, "Number 1 in the queue: the only slot is taken."),
        (job(), 101, FULL, "Behind 100 others in the queue: all 2 slots are taken."),
        (job(), None, FULL, "In the queue: all 2 slots are taken."),
        (job(), 1, NOBODY, "Waits for a worker: none is running."),
        (
            job(waiting_for="d" * 64),
            1,
            NOBODY,
            "Waits for what others compute: a teacher, or parts of its evaluation.",
        ),
        (job(not_before=NOW + timedelta(seconds=5)), 1, FREE, "Waits a little before its next attempt."),
        (job(not_before=NOW - timedelta(seconds=5)), 1, FREE, "Number 1 in the queue: starts in a moment."),
        (job(cancel_requested_at=NOW), 1, FREE, "It is being cancelled."),
        (job(state=JobState.RUNNING), 1, FREE, None),
        (job(state=JobState.FAILED), 1, FREE, None),
    ],
)
def test_the_reason(waiting: Job, place: int | None, capacity: Capacity, words: str | None) -> None:
    assert why_waiting(waiting, place, capacity, NOW) == words
