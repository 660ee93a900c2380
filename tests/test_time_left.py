"""How the benchmark of the time left judges what was told."""

from __future__ import annotations

import pytest

from benchmarks.time_left.jobs import jobs
from benchmarks.time_left.judge import LOOKS, Record, factor, factors, row, share_within, summary, table


def test_a_factor_is_the_same_too_long_and_too_short() -> None:
    assert factor(20.0, 10.0) == factor(5.0, 10.0) == 2.0
    assert factor(None, 10.0) == factor(0.0, 10.0) == float("inf")


def test_what_was_told_last_counts_until_something_else_is_told() -> None:
    """Right at every second: of a run of 100 s it is too long only when less than a second is left or so."""
    exact = Record("a", "cartl", [(float(t), 100.0 - t) for t in range(100)], seconds=100.0)
    assert share_within(exact) > 0.97
    silent = Record("b", "cartl", [(0.0, 100.0)], seconds=100.0)
    assert share_within(silent) == pytest.approx(1 / 3, abs=2 / LOOKS), "until two thirds are left"
    late = Record("c", "cartl", [(50.0, 50.0)], seconds=100.0)
    assert factors(late)[: LOOKS // 2] == [float("inf")] * (LOOKS // 2)


def test_the_table_has_a_line_a_job_and_the_summary_counts_them() -> None:
    span = {"low": 50.0, "likely": 90.0, "high": 120.0}
    exact = Record("a", "cartl", [(float(t), 100.0 - t) for t in range(100)], 100.0)
    exact.estimate = {"seconds_range": span, "basis": "first guess"}
    rows = [row(exact), row(Record("b", "auto", [(0.0, None)], 10.0))]
    assert table(rows).count("\n") == 3
    assert "| a | 100 s | 50 to 120 s | first guess |" in table(rows)
    found = summary(rows)
    assert (found["jobs"], found["jobs_that_reach_the_aim"], found["estimates_within_range"]) == (2, 1, 1)
    assert found["share_of_all_time_within"] == pytest.approx(100 / 110 * rows[0]["share_within"], abs=0.001)


def test_there_are_twenty_jobs_of_different_kinds() -> None:
    asked = jobs()
    assert sum(2 if one.sweep else 1 for one in asked) == 20
    names = [one.name for one in asked]
    assert len(set(names)) == len(names)
    assert all(one.student_of in names[: names.index(one.name)] for one in asked if one.student_of)
