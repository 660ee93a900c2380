"""What a run learns of its own pace: the machine's factor, each kind's own, and the last minute."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartl_core.run.timing.forecast import Forecast


def test_before_anything_is_computed_predictions_stand() -> None:
    forecast = Forecast()
    assert forecast.factors() == {"": 1.0}
    assert forecast.pace_now(forecast.factors()) == 1.0


def test_a_slow_machine_is_slow_at_everything() -> None:
    """One kind took five times as long as predicted: the others are expected to, nearly."""
    forecast = Forecast()
    forecast.computed("teacher", 20.0, 100.0)
    factors = forecast.factors()
    assert factors["teacher"] == pytest.approx(5.0, rel=0.1)
    assert 3.0 < factors[""] < factors["teacher"]


def test_a_kind_that_is_off_by_itself_keeps_its_factor_to_itself() -> None:
    forecast = Forecast(measured=True)
    for kind, taken in (("teacher", 100.0), ("student", 100.0), ("attack-pgd", 100.0), ("clean", 400.0)):
        forecast.computed(kind, 100.0, taken)
    factors = forecast.factors()
    assert factors["clean"] == pytest.approx(4.0, rel=0.1)
    assert factors["teacher"] == pytest.approx(1.0, rel=0.1)
    assert 1.0 < factors[""] < 1.6


def test_rates_that_were_measured_are_given_up_later_than_a_first_guess() -> None:
    found = []
    for measured in (True, False):
        forecast = Forecast(measured=measured)
        forecast.computed("teacher", 1.0, 4.0)
        found.append(forecast.factors()[""])
    assert 1.0 < found[0] < found[1] < 4.0


def halves(slow: float) -> Iterator[tuple[float, float]]:
    """Predicted and taken seconds of each step: as predicted, then slower by a factor for a minute."""
    yield from ((1.0, 1.0) for _ in range(300))
    yield from ((1.0, slow) for _ in range(round(60 / slow) + 1))


@given(st.floats(0.2, 5.0))
def test_the_last_minute_is_what_counts(slow: float) -> None:
    """Five minutes as predicted, then a neighbour comes, or leaves."""
    forecast = Forecast(measured=True)
    for predicted, taken in halves(slow):
        forecast.computed("teacher", predicted, taken)
        forecast.pace_now(forecast.factors())
    factors = forecast.factors()
    now = factors["teacher"] * forecast.pace_now(factors)
    assert now == pytest.approx(slow, rel=0.1)


@given(
    st.lists(
        st.tuples(st.sampled_from(["teacher", "clean", "start"]), st.floats(0, 1e6), st.floats(0, 1e6)),
        max_size=20,
    ),
    st.booleans(),
)
def test_factors_are_finite_and_positive_whatever_was_computed(
    steps: list[tuple[str, float, float]], measured: bool
) -> None:
    forecast = Forecast(measured=measured)
    for kind, predicted, taken in steps:
        forecast.computed(kind, predicted, taken)
        factors = forecast.factors()
        found = [*factors.values(), forecast.pace_now(factors)]
        assert all(math.isfinite(factor) and factor > 0 for factor in found)
