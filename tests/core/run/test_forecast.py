"""What a run learns of its own pace: the machine's factor, each kind's own, and the last minute."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartl_core.run.timing.forecast import (
    COMPUTING_SPREAD,
    KIND_SPREAD,
    MACHINE_SPREAD,
    NOISE,
    OUTSIDE,
    OUTSIDE_SPREAD,
    SETTING_UP,
    Forecast,
)


def test_before_anything_is_computed_predictions_stand() -> None:
    forecast = Forecast()
    assert {forecast.factors().of(kind) for kind in ("teacher", "start", "export")} == {1.0}
    assert forecast.pace_now(forecast.factors()) == 1.0


def test_a_slow_machine_is_slow_at_everything() -> None:
    """One kind took five times as long as predicted: the others are expected to, nearly."""
    forecast = Forecast()
    forecast.computed("teacher", 20.0, 100.0)
    factors = forecast.factors()
    assert factors.of("teacher") == pytest.approx(5.0, rel=0.1)
    assert 3.0 < factors.of("student") < factors.of("teacher")


def test_a_first_guess_of_passes_that_was_far_off_does_not_stretch_files_and_report() -> None:
    """Small networks train many times slower than multiply-adds tell; the start was as slow as predicted."""
    forecast = Forecast()
    forecast.computed("start", 5.0, 6.0)
    forecast.computed("teacher", 5.0, 100.0)
    factors = forecast.factors()
    assert factors.of("student") > 7.0
    assert 1.0 < factors.of("export") == factors.of("publish") < 2.0


def test_a_stage_that_sets_up_says_little_of_its_rate() -> None:
    """Two seconds before the first epoch of a minute is over."""
    forecast = Forecast(measured=True, spreads={"start": 0.2, "teacher": 0.3})
    forecast.computed("start", 5.0, 5.0)
    forecast.computed("teacher", 0.01, 2.0)
    assert 1.0 < forecast.factors().of("teacher") < 1.25


def test_a_kind_that_is_off_by_itself_keeps_its_factor_to_itself() -> None:
    forecast = Forecast(measured=True)
    for kind, taken in (("teacher", 100.0), ("student", 100.0), ("attack-pgd", 100.0), ("clean", 400.0)):
        forecast.computed(kind, 100.0, taken)
    factors = forecast.factors()
    assert factors.of("clean") == pytest.approx(4.0, rel=0.1)
    assert factors.of("teacher") == pytest.approx(1.0, rel=0.1)
    assert 1.0 < factors.of("attack-apgd") < 1.6


def test_rates_that_were_measured_are_given_up_later_than_a_first_guess() -> None:
    found = []
    for measured in (True, False):
        forecast = Forecast(measured=measured)
        forecast.computed("teacher", 1.0, 4.0)
        found.append(forecast.factors().of("student"))
    assert 1.0 < found[0] < found[1] < 4.0


SECONDS = st.floats(0.1, 1e4)
KINDS = ("start", "export", "teacher", "student", "attack-pgd")


@given(st.dictionaries(st.sampled_from(KINDS), st.tuples(SECONDS, SECONDS)), st.booleans())
def test_factors_are_means_of_a_normal_distribution_given_what_was_seen(
    seen: dict[str, tuple[float, float]], measured: bool
) -> None:
    """The oracle has no tree: it conditions the whole covariance matrix on all that was seen."""
    forecast = Forecast(measured=measured, spreads={"student": 0.3})
    for kind, (predicted, taken) in seen.items():
        forecast.computed(kind, predicted, taken)
    factors = forecast.factors()
    shared = np.array([[_shared(one, other, measured) for other in KINDS] for one in KINDS])
    own = [KIND_SPREAD[kind in OUTSIDE] if kind != "student" else 0.3 for kind in KINDS]
    prior = shared + np.diag(np.square(own))
    rows = [KINDS.index(kind) for kind in seen]
    ratios = [math.log((taken + SETTING_UP) / (predicted + SETTING_UP)) for predicted, taken in seen.values()]
    noise = np.diag([NOISE**2 / taken for _, taken in seen.values()])
    found = prior[:, rows] @ np.linalg.solve(prior[np.ix_(rows, rows)] + noise, np.array(ratios))
    for kind, logarithm in zip(KINDS, found, strict=True):
        assert math.log(factors.of(kind)) == pytest.approx(logarithm, abs=1e-6)


def _shared(one: str, other: str, measured: bool) -> float:
    """Covariance of two kinds: of the machine, and of their group where it is the same."""
    of_group = OUTSIDE_SPREAD if one in OUTSIDE else COMPUTING_SPREAD[measured]
    same = (one in OUTSIDE) == (other in OUTSIDE)
    return MACHINE_SPREAD[measured] ** 2 + (of_group**2 if same else 0.0)


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
    now = factors.of("teacher") * forecast.pace_now(factors)
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
        found = [*factors.kinds.values(), *factors.others.values(), forecast.pace_now(factors)]
        assert all(math.isfinite(factor) and factor > 0 for factor in found)
