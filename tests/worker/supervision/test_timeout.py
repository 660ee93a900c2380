from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cartl_core.spec import digest
from jobs.settings import Settings
from jobs.state import JobState, Move
from tests.factories import make_spec


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


def test_a_job_may_have_a_limit_of_its_own_below_that_of_the_service(record: Any, supervise: Any) -> None:
    job_id = record.submit(time_limit=1.0)
    claim = record.claim(lease_seconds=30)
    assert claim.time_limit == 1.0
    # What a person may ask for is a second at least; a test does not wait for it.
    assert supervise(replace(claim, time_limit=0.2), "obey").verdict().reason == "timeout"
    assert "its request allows, `time_limit`" in record.job(job_id).message


def test_a_limit_above_that_of_the_service_changes_nothing(record: Any, supervise: Any) -> None:
    job_id = record.submit(time_limit=3600.0)
    assert supervise(record.claim(lease_seconds=30), "obey").verdict().reason == "timeout"
    assert "longer than this service allows" in record.job(job_id).message


def test_a_limit_is_in_no_digest() -> None:
    assert digest(make_spec(time_limit=5.0)) == digest(make_spec())


def test_a_run_that_is_done_in_time_is_left_alone(record: Any, supervise: Any) -> None:
    job_id = record.submit()
    assert supervise(record.claim(lease_seconds=30), "succeed").verdict().move is Move.COMPLETE
    assert record.job(job_id).state == JobState.SUCCEEDED
