"""Sweeps in the record, on both databases: all or nothing, seen by their owner alone, cancelled together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker

from cartl_core.planning.resolve import resolve
from cartl_core.planning.sweep_grid import cells
from cartl_core.report import ArmReport, Figures, Report, Validation
from cartl_core.spec import JobRequest, JobSpec, digest
from cartl_core.spec.measures.attack import AttackSpec
from cartl_core.spec.sweep import SweepRequest
from cartl_core.statistics.proportions import wilson
from jobs import store
from jobs.database.engine import reading, transaction
from jobs.errors import BadCursor, SweepNotFound, TooManyJobs
from jobs.files.retention import prune
from jobs.quotas import Limits
from jobs.settings import Settings
from jobs.state import JobState
from jobs.store import Claim
from jobs.store.change import plain
from jobs.store.sweeps import (
    Planned,
    cancel_sweep,
    find_sweep,
    list_sweeps,
    states_of,
    submit_sweep,
    table_of,
)
from jobs.tables import Job, JobEvent, Sweep
from tests.fixtures.reports import HERE

Do = Callable[..., Any]
BODY: dict[str, Any] = {
    "base": {"dataset": "digits", "preset": "smoke", "model": "tiny", "freeze_depth": 2},
    "grid": {"method": ["vanilla", "cartl"], "seed": [0, 1]},
}


def request_of(**changes: Any) -> SweepRequest:
    return SweepRequest.model_validate(BODY | changes)


def planned(request: SweepRequest) -> list[Planned]:
    asked = [JobRequest.model_validate(cell.request) for cell in cells(request, 100)]
    return [Planned(one, resolve(one), {"seconds": 1.0, "disk_bytes": 1}) for one in asked]


@pytest.fixture
def post(factory: sessionmaker[Session]) -> Callable[..., tuple[str, list[str]]]:
    """Submit a sweep: its id, and its jobs'."""

    def submit(owner: str = "ann", limits: Limits | None = None, **changes: Any) -> tuple[str, list[str]]:
        request = request_of(**changes)
        with transaction(factory) as session:
            sweep, jobs = submit_sweep(
                session, request=request, planned=planned(request), owner=owner, limits=limits
            )
            return sweep.id, [job.id for job in jobs]

    return submit


def test_a_sweep_is_written_with_its_jobs(
    post: Any, do: Do, row: Callable[[str], Job], story: Callable[[str], list[str]]
) -> None:
    sweep_id, jobs = post(name="which depth?")
    sweep = do(find_sweep, sweep_id, "ann")
    assert (sweep.owner_id, sweep.name, sweep.margin) == ("ann", "which depth?", 0.01)
    assert sweep.grid == {"method": ["vanilla", "cartl"], "seed": [0, 1]}
    assert SweepRequest.model_validate(sweep.request) == request_of(name="which depth?")
    rows = [row(job_id) for job_id in jobs]
    assert {job.sweep_id for job in rows} == {sweep_id}
    assert [(job.spec["seed"], job.method) for job in rows] == [
        (0, "vanilla"),
        (0, "cartl"),
        (1, "vanilla"),
        (1, "cartl"),
    ]
    assert [story(job_id) for job_id in jobs] == [["submitted"]] * 4


def test_a_sweep_whose_last_job_cannot_be_stored_stores_none(
    factory: sessionmaker[Session], post: Any, submit: Any
) -> None:
    submit()
    broken = planned(request_of())
    broken[-1] = Planned(broken[-1].request, broken[-1].spec, {"seconds": object()})
    with pytest.raises(Exception, match="serializ"), transaction(factory) as session:
        submit_sweep(session, request=request_of(), planned=broken, owner="ann")
    with pytest.raises(TooManyJobs, match=r"1 jobs are queued and 4 are new; allowed: at most 4"):
        post(limits=Limits(queued=4))
    with pytest.raises(TooManyJobs, match=r"4 are new; allowed: at most 3"):
        post(limits=Limits(queued=3))
    with reading(factory) as session:
        counts = [session.scalar(select(func.count()).select_from(table)) for table in (Job, JobEvent, Sweep)]
    assert counts == [1, 1, 0]
    assert len(post(limits=Limits(queued=5))[1]) == 4


def test_sweeps_of_the_same_moment_keep_to_the_limit(factory: sessionmaker[Session]) -> None:
    request = request_of()
    jobs = planned(request)
    together = threading.Barrier(4)
    refused: list[object] = []

    def post() -> None:
        together.wait(timeout=60)
        try:
            with transaction(factory) as session:
                submit_sweep(session, request=request, planned=jobs, owner="ann", limits=Limits(queued=9))
        except TooManyJobs as error:
            refused.append(error.values["queued"])

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert refused == [8, 8]
    with reading(factory) as session:
        assert store.state_counts(session)[JobState.QUEUED] == 8


def test_somebody_elses_sweep_does_not_exist(post: Any, do: Do) -> None:
    sweep_id, _ = post(owner="ann")
    for act in (find_sweep, cancel_sweep):
        with pytest.raises(SweepNotFound):
            do(act, sweep_id, "bob")
    assert do(list_sweeps, "bob") == ([], None)
    # A job that is shown to somebody does not show the sweep.
    jobs, _ = do(store.list_jobs, "ann", sweep=sweep_id)
    do(store.share, jobs[0].id, "ann", reader="bob")
    with pytest.raises(SweepNotFound):
        do(find_sweep, sweep_id, "bob")


def test_lists_are_paged_and_filtered(post: Any, submit: Any, do: Do) -> None:
    submit()
    made = [post()[0] for _ in range(3)]
    first, cursor = do(list_sweeps, "ann", limit=2)
    second, end = do(list_sweeps, "ann", limit=2, cursor=cursor)
    assert [sweep.id for sweep in (*first, *second)] == made[::-1]
    assert end is None
    with pytest.raises(BadCursor):
        do(list_sweeps, "ann", cursor="nonsense")
    of_one, _ = do(store.list_jobs, "ann", sweep=made[1])
    assert {job.sweep_id for job in of_one} == {made[1]}
    assert len(of_one) == 4
    assert do(store.list_jobs, "bob", sweep=made[1]) == ([], None)


def test_states_and_progress(
    post: Any, do: Do, claim: Callable[..., Claim], factory: sessionmaker[Session]
) -> None:
    sweep_id, _ = post()
    do(store.complete, claim())
    do(store.fail, claim(), "loss_not_finite", "epoch 3")
    running = claim()
    with transaction(factory) as session:
        session.execute(update(Job).where(Job.id == running.job_id).values(fraction=0.5))
    found = do(states_of, [sweep_id])[sweep_id]
    assert {state: count for state, count in found.counts.items() if count} == {
        JobState.SUCCEEDED: 1,
        JobState.FAILED: 1,
        JobState.RUNNING: 1,
        JobState.QUEUED: 1,
    }
    assert found.fraction == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert do(states_of, []) == {}


def test_cancelling_reaches_every_job_that_has_not_ended(
    post: Any, do: Do, claim: Callable[..., Claim], row: Callable[[str], Job]
) -> None:
    sweep_id, jobs = post()
    done = claim()
    do(store.complete, done)
    running = claim()
    other = post()[1]
    for _ in range(2):
        do(cancel_sweep, sweep_id, "ann")
    # Jobs that were stored within one tick of the clock may be claimed in any order.
    ended = dict.fromkeys(jobs, "cancelled") | {done.job_id: "succeeded", running.job_id: "running"}
    assert {job_id: row(job_id).state for job_id in jobs} == ended
    assert row(running.job_id).cancel_requested_at is not None
    assert {row(job_id).state for job_id in other} == {"queued"}


def report_of(spec: JobSpec, clean: int, robust: int) -> Report:
    """Of validation so many of 100, of the test ten less."""
    attack = AttackSpec(label="validation", eps=0.1, step=0.02, steps=10)
    figures = Figures(
        not_finite=0,
        data="digits",
        data_fingerprint="f",
        n=100,
        clean=wilson(clean - 10, 100),
        worst_case=wilson(robust - 10, 100),
    )
    student = ArmReport(
        method=spec.method,
        blocks=5,
        validation=Validation(clean=wilson(clean, 100), robust=wilson(robust, 100), attack=attack),
        history=None,
        reused=False,
        origin=HERE,
        figures=figures,
    )
    return Report(complete=True, spec=spec, spec_digest=digest(spec), student=student)


def test_the_table_is_read_from_the_reports(
    post: Any, do: Do, claim: Callable[..., Claim], factory: sessionmaker[Session]
) -> None:
    sweep_id, jobs = post()
    figures = dict(zip(jobs, [(90, 40), (92, 60), (92, 50), (94, 64)], strict=True))

    def finish() -> None:
        mine = claim()
        with transaction(factory) as session:
            spec = JobSpec.model_validate(store.find(session, mine.job_id).spec)
            report = report_of(spec, *figures[mine.job_id])
            session.execute(update(Job).where(Job.id == mine.job_id).values(report=plain(report)))
            store.complete(session, mine)

    sweep = do(find_sweep, sweep_id, "ann")
    assert {row.validation for row in do(table_of, sweep).rows} == {None}
    for _ in range(3):
        finish()
    before = do(table_of, sweep)
    assert not before.complete
    assert {row.test for row in before.rows} == {None}
    finish()
    plain_row, cartl = do(table_of, sweep).rows
    assert (plain_row.setting.method, plain_row.setting.beta, plain_row.setting.fdm_weight) == (
        "vanilla",
        None,
        None,
    )
    assert (cartl.setting.method, cartl.setting.freeze_depth, cartl.setting.k) == ("cartl", 2, 3)
    assert cartl.setting.beta is not None
    assert cartl.jobs == (jobs[1], jobs[3])
    assert cartl.seeds == plain_row.seeds == (0, 1)
    assert (cartl.best, cartl.on_front, plain_row.best, plain_row.on_front) == (True, True, False, False)
    assert cartl.validation is not None and cartl.test is not None
    assert cartl.validation.robust.value == pytest.approx(0.62)
    assert cartl.test.robust.value == pytest.approx(0.52)
    assert plain_row.test is None


def test_pruning_keeps_sweeps(post: Any, do: Do, factory: sessionmaker[Session], settings: Settings) -> None:
    sweep_id, jobs = post()
    do(cancel_sweep, sweep_id, "ann")
    prune(factory, settings, older_than_days=0.0)
    assert do(states_of, [sweep_id])[sweep_id].counts[JobState.CANCELLED] == len(jobs)
    assert do(find_sweep, sweep_id, "ann").request["base"]["model"]["name"] == "tiny"
