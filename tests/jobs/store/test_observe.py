from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.events import EpochFinished, Warned
from jobs import store
from jobs.database.engine import transaction
from jobs.errors import BadCursor, JobNotFound
from jobs.state import JobState
from jobs.store import Claim
from jobs.store.measurements import stored_report
from jobs.store.observe import thinned
from jobs.tables import Job
from tests.factories import make_request, new_job

Do = Callable[..., Any]


def pages(do: Do, owner: str | None, limit: int, between: Callable[[], object] = lambda: None) -> list[str]:
    seen: list[str] = []
    cursor = None
    while True:
        rows, cursor = do(store.list_jobs, owner, cursor=cursor, limit=limit)
        assert len(rows) <= limit
        seen += [job.id for job in rows]
        if cursor is None:
            return seen
        between()


@pytest.mark.parametrize("limit", [1, 3, 7, 50])
def test_pages_are_complete_newest_first_and_stable_under_inserts(limit: int, submit: Any, do: Do) -> None:
    submitted = [submit() for _ in range(7)]
    submit(owner="bob")
    assert pages(do, "ann", limit, between=submit) == submitted[::-1]


def test_without_an_owner_the_jobs_of_all_are_listed(submit: Any, do: Do) -> None:
    submitted = [submit(owner=owner) for owner in ("ann", "bob", "ann")]
    assert pages(do, None, 2) == submitted[::-1]
    assert pages(do, "cyd", 2) == []


def test_a_list_is_filtered_by_state_data_set_method_and_tag(
    submit: Any, do: Do, claim: Callable[..., Claim]
) -> None:
    tagged = submit(request=make_request(freeze_depth=1, tags=["a_b", "c"]))
    plain = submit(
        request=make_request(
            dataset="mnist", freeze_depth=1, preset="quick", method="vanilla", tags=["aXb"], baselines=[]
        )
    )
    assert claim().job_id == tagged

    def found(**filters: Any) -> list[str]:
        return [job.id for job in do(store.list_jobs, "ann", **filters)[0]]

    assert found(tag="a_b") == [tagged] and found(tag="c") == [tagged] and found(tag="aXb") == [plain]
    assert found(tag="a") == [] and found(tag='c"') == [] and found(tag="%") == []
    assert found(state=JobState.RUNNING) == [tagged] and found(state=JobState.QUEUED) == [plain]
    assert found(dataset="mnist") == [plain] and found(method="cartl") == [tagged]
    assert found(dataset="mnist", method="cartl") == []


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "e30", "W10", "!!!!", "WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwgImEiXQ", "WzEsMl0", "é", "bnVsbA"],
)
def test_a_cursor_of_somebody_elses_making_is_refused(cursor: str, do: Do) -> None:
    with pytest.raises(BadCursor):
        do(store.list_jobs, "ann", cursor=cursor)


def test_events_after_a_number(submit: Any, do: Do, claim: Callable[..., Claim]) -> None:
    job_id = submit()
    mine = claim()
    for number in range(5):
        do(store.record, mine, Warned(message=str(number)))
    assert [event.number for event in do(store.events_after, job_id)] == [1, 2, 3, 4, 5, 6, 7]
    assert [event.number for event in do(store.events_after, job_id, 3, 2)] == [4, 5]
    assert do(store.events_after, job_id, 7) == []


def test_long_series_are_downsampled_by_name(submit: Any, do: Do, claim: Callable[..., Claim]) -> None:
    job_id = submit()
    mine = claim()
    for epoch in range(1, 41):
        value = 100.0 if epoch == 17 else float(epoch % 5)
        told = EpochFinished(
            stage="pretrain", label="t", digest="d", epoch=epoch, epochs=40, metrics={"a": value, "b": 1.0}
        )
        do(store.record, mine, told)
    (a, b) = do(store.metrics_of, job_id, max_points=10)
    assert (a.name, a.total, b.name, b.total) == ("t/a", 40, "t/b", 40)
    assert len(a.points) <= 10 and (17, 100.0) in a.points
    assert a.points[0] == (1, 1.0) and a.points[-1] == (40, 0.0)
    (only,) = do(store.metrics_of, job_id, ["t/b"])
    assert len(only.points) == 40


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300),
    st.integers(min_value=4, max_value=60),
)
def test_downsampling_keeps_first_last_and_extremes(values: list[float], most: int) -> None:
    points = list(enumerate(values))
    kept = thinned(points, most)
    assert len(kept) <= most and set(kept) <= set(points) and list(kept) == sorted(kept)
    assert kept[0] == points[0] and kept[-1] == points[-1]
    assert min(value for _, value in kept) == min(values)
    assert max(value for _, value in kept) == max(values)
    assert len(kept) == len(points) or len(points) > most


def test_queue_positions(submit: Any, do: Do, claim: Callable[..., Claim]) -> None:
    running = submit(priority=9)
    claim()
    jobs = [submit(), submit(owner="bob"), submit(priority=1)]
    positions = [
        do(lambda session, job_id: store.queue_position(session, store.find(session, job_id)), job_id)
        for job_id in jobs
    ]
    # The first one waits for the third, so for all that is older than that; others count by their age.
    assert positions == [3, 2, 2]
    assert do(lambda session: store.queue_position(session, store.find(session, running))) is None


def test_the_place_told_at_submission_is_the_place(factory: sessionmaker[Session], do: Do) -> None:
    for priority in (0, 2, 1, 0, -1, 2):
        with transaction(factory) as session:
            job, place = store.enqueue(session, **new_job(priority=priority))
        assert place == do(lambda session, job: store.queue_position(session, job), job)


def test_an_overview_leaves_request_and_report_where_they_are(submit: Any, do: Do) -> None:
    job = do(store.overview, submit(owner="ann"), "ann")
    assert job.state == "queued" and job.spec["dataset"]["name"] == "digits"
    for column in ("request", "report"):
        with pytest.raises(SQLAlchemyError, match=f"{column}.*cannot proceed"):
            getattr(job, column)


def test_a_report_is_read_as_text(submit: Any, do: Do, factory: sessionmaker[Session]) -> None:
    told = {"complete": False, "headline": "é 0.5", "figures": [0.1, 1e-7, None]}
    job_id = submit(owner="ann")
    assert do(stored_report, job_id, "ann").report is None
    with transaction(factory) as session:
        session.execute(update(Job).where(Job.id == job_id).values(report=told))
    assert json.loads(do(stored_report, job_id, "ann").report) == told
    for stranger, there in (("bob", job_id), ("ann", "0" * 32)):
        with pytest.raises(JobNotFound):
            do(stored_report, there, stranger)


def test_state_counts(submit: Any, do: Do, claim: Callable[..., Claim]) -> None:
    for owner in ("ann", "ann", "bob"):
        submit(owner=owner)
    do(store.complete, claim())
    assert do(store.state_counts) == {
        JobState.QUEUED: 2,
        JobState.RUNNING: 0,
        JobState.SUCCEEDED: 1,
        JobState.FAILED: 0,
        JobState.CANCELLED: 0,
    }
    assert do(store.state_counts, "bob")[JobState.QUEUED] == 1
