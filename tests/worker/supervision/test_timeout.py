from __future__ import annotations

from typing import Any

import pytest

from jobs.settings import Settings
from jobs.state import JobState, Move


@pytest.fixture
def quick(settings: Settings) -> Settings:
    changed = {"lease_seconds": 5.0, "renew_seconds": 0.3, "stop_grace_seconds": 1.0, "timeout_seconds": 0.5}
    return settings.model_copy(update=changed)


@pytest.mark.parametrize("scenario", ["obey", "stubborn"])
def test_a_run_that_takes_too_long_is_stopped_and_has_failed(
    record: Any, supervise: Any, scenario: str
) -> None:
    job_id = record.submit()
    verdict = supervise(record.claim(lease_seconds=30), scenario).verdict()
    assert (verdict.move, verdict.reason) == (Move.FAIL, "timeout")
    job = record.job(job_id)
    assert (job.state, job.reason) == (JobState.FAILED, "timeout")
    assert "longer than this service allows" in job.message


def test_a_run_that_is_done_in_time_is_left_alone(record: Any, supervise: Any) -> None:
    job_id = record.submit()
    assert supervise(record.claim(lease_seconds=30), "succeed").verdict().move is Move.COMPLETE
    assert record.job(job_id).state == JobState.SUCCEEDED
