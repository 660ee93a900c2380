"""Seconds of a stage: measured, carried over from its kin, or guessed; a range, and never 0."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartl_core.planning.estimates.costs import Cost, size_class
from cartl_core.planning.estimates.rates import (
    GUESS_SPREAD,
    KIN_SPREAD,
    RATES,
    Machine,
    Measurement,
    Rates,
    Span,
    first_guess,
    rates_for,
    rates_on,
    summarise,
)

HERE = Machine("cpu", "a processor", 2, "fp32")
MACS = 2.0**24
TEACHER = Cost("teacher", 1000.0, 100.0, batches=10.0)


def measured(factor: float, kind: str = "teacher", size: int = 24, machine: Machine = HERE) -> Measurement:
    """A stage that took so many times its first guess."""
    guess = first_guess(machine.device, kind, 1e12, 50.0)
    return Measurement(machine, kind, size, 1e12, 50.0, factor * guess)


def test_a_first_guess_is_wide_and_says_so() -> None:
    found = Rates("cpu").seconds(TEACHER, MACS)
    guess = first_guess("cpu", "teacher", 1000 * MACS, 10.0)
    assert found == pytest.approx(Span(guess / GUESS_SPREAD, guess, guess * GUESS_SPREAD))
    assert not Rates("cpu").measured
    assert Rates("cuda").seconds(TEACHER, MACS).likely < found.likely


@given(
    st.sampled_from(["cpu", "cuda"]),
    st.sampled_from(["teacher", "start", "import", "any"]),
    st.floats(0, 1e9),
)
def test_no_stage_takes_nothing(device: str, kind: str, passes: float) -> None:
    low, likely, high = Rates(device).seconds(Cost(kind, passes, 0.0), 1.0)
    assert 0 < low < likely < high


def test_what_was_measured_is_expected_again() -> None:
    rates = Rates("cpu", summarise([measured(factor) for factor in (3.0, 2.0, 2.5, 2.0, 9.0)]))
    found = rates.seconds(TEACHER, MACS)
    guess = first_guess("cpu", "teacher", 1000 * MACS, 10.0)
    assert found.likely == pytest.approx(2.5 * guess), "the median: one slow stage does not count"
    assert found.low < 2.5 * guess < found.high
    assert found.high == pytest.approx(6.6 * guess), "between the two slowest"


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=16))
def test_a_range_holds_the_median_and_narrows_with_more_stages(factors: list[float]) -> None:
    (rate,) = summarise(measured(factor) for factor in factors)
    assert rate.low < rate.likely < rate.high
    assert rate.stages == len(factors)
    alone, (many,) = summarise([measured(1.0)])[0], summarise([measured(1.0)] * 16)
    assert alone.low < many.low and many.high < alone.high


def test_other_sizes_and_kinds_on_the_same_machine_correct_the_guess() -> None:
    rates = Rates("cpu", summarise([measured(4.0), measured(2.0, size=20), measured(7.0, "start")]))
    assert rates.factor("teacher", 23) == pytest.approx((4 / KIN_SPREAD, 4, 4 * KIN_SPREAD)), "nearest size"
    assert rates.factor("student", 24).likely == pytest.approx(8**0.5), "the median of what was measured here"
    assert rates.factor("publish", 24).likely == 1.0, "a start says nothing of it, nor does a stage"


def test_a_run_takes_the_rates_of_its_machine_else_of_one_alike() -> None:
    others = [
        measured(2.0, machine=Machine("cuda", "a card", 2, "bf16")),
        measured(3.0, machine=HERE._replace(device_name="another")),
        measured(5.0, machine=HERE._replace(threads=8)),
    ]
    found = summarise([*others, measured(7.0)])
    assert rates_on(HERE, found).factor("teacher", 24).likely == pytest.approx(7.0)
    assert rates_on(HERE, found[:3]).factor("teacher", 24).likely == pytest.approx(5.0)
    assert rates_on(HERE, found[:2]).factor("teacher", 24).likely == pytest.approx(3.0)
    assert not rates_on(HERE, found[:1]).measured


def test_an_estimate_takes_the_machine_that_measured_last() -> None:
    found = summarise([measured(2.0, machine=Machine("cuda", "a card", 2, "bf16")), measured(3.0)])
    assert rates_for("auto", found).device == "cuda"
    assert rates_for("cpu", found).factor("teacher", 24).likely == pytest.approx(3.0)
    assert (rates_for("auto", ()).device, rates_for("cuda", ()).device) == ("cpu", "cuda")


def test_rates_go_to_a_run_and_back_as_they_are() -> None:
    found = summarise([measured(2.0), measured(3.0, "clean")])
    assert RATES.validate_json(RATES.dump_json(found)) == found


def test_a_size_class_is_a_power_of_two() -> None:
    assert [size_class(macs) for macs in (0, 1, 1000, 1024, 2**24)] == [0, 0, 10, 10, 24]
