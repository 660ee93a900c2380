"""Stages over time: each once, in order, between the first beginning and the last end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from api.web.timeline import NARROWEST, WHOLE, stages_over_time
from jobs.tables import JobEvent

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def event(number: int, second: float, type: str, label: str | None = None, **body: Any) -> JobEvent:  # noqa: A002
    told = body | ({"label": label} if label else {})
    return JobEvent(
        job_id="a" * 32, number=number, at=BEGIN + timedelta(seconds=second), type=type, body=told
    )


STORY = (
    event(1, 0, "submitted"),
    event(2, 10, "stage_started", "teacher"),
    event(3, 15, "epoch_finished", "teacher", epoch=1, epochs=4),
    event(4, 30, "stage_finished", "teacher", seconds=20.0, reused=False),
    event(5, 30, "stage_finished", "found", seconds=0.0, reused=True),
    event(6, 30, "stage_started", "student"),
    event(7, 40, "epoch_finished", "student", epoch=1, epochs=2),
)


def test_a_stage_at_work_reaches_to_now() -> None:
    teacher, found, student = stages_over_time(STORY, BEGIN + timedelta(seconds=50), running=True)
    assert (teacher.state, teacher.words, teacher.left, teacher.width) == (
        "finished",
        "done in 20 s",
        0.0,
        WHOLE / 2,
    )
    assert (found.words, found.width) == ("found, computed before", NARROWEST)
    assert (student.state, student.words) == ("computing", "epoch 1 of 2")
    assert (student.left, student.width) == (WHOLE / 2, WHOLE / 2)


def test_a_stage_that_never_ended_was_stopped_with_its_job() -> None:
    *_, student = stages_over_time((*STORY, event(8, 45, "cancelled")), BEGIN, running=False)
    assert (student.state, student.ended) == ("stopped", BEGIN + timedelta(seconds=45))


def test_a_stage_that_was_resumed_is_one_stage() -> None:
    resumed = (*STORY, event(8, 60, "stage_started", "student"), event(9, 70, "stage_finished", "student"))
    assert [stage.label for stage in stages_over_time(resumed, BEGIN, running=False)] == [
        "teacher",
        "found",
        "student",
    ]


def test_nothing_that_began_is_no_stage() -> None:
    assert stages_over_time((), BEGIN, running=False) == []
