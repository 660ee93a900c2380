"""The simulated fleet against sums that can be done by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.scaling.simulation import OF_A_RUN, OF_A_WORKER, OF_ALL, Cluster, simulate

NAMES = (*OF_A_RUN, *OF_A_WORKER, *OF_ALL, "claim", "completion", "epoch", "checkpoint")
SMALL = Cluster(workers=50, jobs=300, median_minutes=5.0, epochs=0, state_bytes=10e6, checkpoint_seconds=10.0)


def costs(**given: float) -> dict[str, float]:
    return dict.fromkeys(NAMES, 0.0) | given


def test_shares_are_rates_times_costs() -> None:
    load = simulate(SMALL, costs(progress=4.0, round=10.0), costs(progress=1000.0))
    assert load.database["progress"] == pytest.approx(50 * 1.0 * 0.004 / 8, rel=0.02)
    assert load.database["round"] == pytest.approx(50 * 0.2 * 0.010 / 8, rel=0.02)
    assert load.log == pytest.approx(50 * 1000 / 400e6, rel=0.02)
    assert load.files == pytest.approx(50 * 10e6 / 10 / 1250e6, rel=0.02)
    assert load.peak_delay == 0 and load.saturated == "files"


def test_a_database_that_is_asked_for_too_much_falls_behind() -> None:
    load = simulate(SMALL, costs(progress=200.0), costs())
    assert load.database["progress"] > 1 and load.saturated == "database"
    assert load.peak_delay > 60


def test_all_jobs_are_run_and_twice_the_workers_need_half_the_time() -> None:
    few, many = simulate(SMALL, costs(), costs()), simulate(replace(SMALL, workers=100), costs(), costs())
    assert 0.4 < many.hours / few.hours < 0.8
    assert few.busy_seconds > many.busy_seconds > 0


def test_claims_at_the_start_wait_for_each_other() -> None:
    load = simulate(SMALL, costs(claim=8000.0), costs())
    assert load.peak_delay == pytest.approx(50 * 8.0 / 8 - 1, abs=2.0)
