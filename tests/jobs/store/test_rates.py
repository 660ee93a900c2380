"""What stages took, as the record keeps it: bounded, the newest count, read by estimates and by claims."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from api.known_rates import KnownRates
from cartl_core.events import Progress, RuntimeResolved, StageMeasured
from cartl_core.planning.estimates.rates import Machine, first_guess
from jobs import store
from jobs.database.engine import transaction
from jobs.errors import LostClaim
from jobs.store import Claim
from jobs.store.machines import rates
from jobs.tables import StageRate
from tests.factories import make_runtime
from tests.jobs.store.test_run import Do

HERE = Machine("cpu", "a processor", 2, "fp32")


def measured(kind: str = "teacher", *, times: float = 1.0, size: int = 20) -> StageMeasured:
    """A stage that took so many times its first guess."""
    seconds = times * first_guess("cpu", kind, 1e9, 10.0)
    return StageMeasured(kind=kind, size_class=size, macs=1e9, batches=10.0, seconds=seconds)


def test_what_a_run_measures_serves_the_next_one(
    submit: Any, do: Do, claim: Callable[..., Claim], story: Callable[[str], list[str]]
) -> None:
    job_id = submit()
    mine = claim()
    assert mine.rates == ()
    runtime = make_runtime(device_name="x" * 300)
    assert do(store.record, mine, measured(times=2.0)) == 2, "of a machine that is not known, nothing is kept"
    do(store.record, mine, RuntimeResolved(runtime=runtime))
    for times in (2.0, 4.0):
        assert do(store.record, mine, measured(times=times)) == 3
    assert "stage_measured" not in story(job_id)
    submit()
    (rate,) = claim().rates
    assert (rate.kind, rate.size_class, rate.stages) == ("teacher", 20, 2)
    assert rate.likely == pytest.approx(3.0)
    assert rate.machine == Machine.of(runtime)._replace(device_name="x" * 200)


def test_a_claim_that_is_lost_measures_nothing(submit: Any, do: Do, claim: Callable[..., Claim]) -> None:
    submit()
    mine = claim()
    do(store.release, mine)
    with pytest.raises(LostClaim):
        do(store.record, mine, measured())
    assert do(store.measured_rates) == ()


def test_of_each_kind_the_newest_are_kept_and_of_all_a_bounded_number(
    factory: sessionmaker[Session], do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "KEPT_IN_ALL", 40)
    with transaction(factory) as session:
        for number in range(rates.KEPT_OF_EACH + 5):
            rates.keep(session, HERE, measured(times=1.0 if number < 5 else 8.0))
        rates.keep(session, HERE, measured("student", times=3.0))
    teacher, student = sorted(do(store.measured_rates), key=lambda rate: -rate.stages)
    assert (teacher.stages, student.stages) == (rates.KEPT_OF_EACH, 1)
    assert teacher.low == pytest.approx(8.0, rel=0.5), "what went before is forgotten"
    with transaction(factory) as session:
        for size in range(50):
            rates.keep(session, HERE, measured(size=size))
        assert session.execute(select(func.count()).select_from(StageRate)).scalar_one() <= 40 + 1
    assert do(store.measured_rates)[0].size_class == 49


def test_a_running_job_says_how_many_images_go_through(
    submit: Any, do: Do, claim: Callable[..., Claim]
) -> None:
    job_id = submit(estimate={"seconds": 90.0})
    mine = claim()
    job = do(store.find, job_id)
    pace = do(store.pace_of, job)
    assert job.seconds_left == 90.0, "at first what was estimated"
    assert 9.0 <= pace.seconds_left <= 90.0 and pace.images_per_second is None
    for images in (12.5, 7.0, None):
        moved = Progress(
            stage="transfer", label="s", fraction=0.5, seconds_left=7.0, images_per_second=images
        )
        do(store.record, mine, moved)
        assert do(store.pace_of, do(store.find, job_id)).images_per_second == images
    do(store.record, mine, moved.model_copy(update={"images_per_second": 3.0}))
    do(store.complete, mine)
    assert do(store.pace_of, do(store.find, job_id)) == store.Pace(), (
        "of a job that has ended nothing is told"
    )


def test_a_time_left_runs_down_and_what_is_overdue_takes_a_quarter_as_long_again() -> None:
    assert [rates.aged(60.0, seconds) for seconds in (-5.0, 0.0, 20.0, 60.0, 120.0, 1e6)] == [
        60,
        60,
        40,
        15,
        30,
        60,
    ]


def test_estimates_read_the_table_once_in_a_while(factory: sessionmaker[Session]) -> None:
    now = [0.0]
    known = KnownRates(factory, fresh_seconds=10.0, clock=lambda: now[0])
    assert known.measured() == ()
    with transaction(factory) as session:
        rates.keep(session, HERE, measured())
    now[0] = 9.0
    assert known.measured() == ()
    now[0] = 10.0
    first = known.measured()
    assert [rate.kind for rate in first] == ["teacher"]
    now[0] = 30.0
    assert known.measured() is first, "nothing was measured since"
