"""From radii to the curve, its median distance and its mean: by hand, by brute force, by drawing samples."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from itertools import pairwise
from math import comb, inf, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartl_core.analysis.curves import expected_robustness, median_distance, robustness_curve
from cartl_core.report.curves import RobustnessCurve
from cartl_core.spec.measures.curve import CurveSpec
from cartl_core.statistics.intervals import mean_of, median_of
from cartl_core.statistics.proportions import wilson

GRID = (0.1, 0.2, 0.4, 1.0)
SPEC = CurveSpec(eps=GRID, expected_to=0.4, steps=7, restarts=2, refine=1)
RADII = st.lists(st.one_of(st.just(0.0), st.floats(1e-3, 1.0), st.just(inf)), min_size=1, max_size=60)


def test_the_points_of_a_curve_count_images_as_by_hand() -> None:
    curve = robustness_curve([0.0, 0.1, 0.1, 0.2, 0.4, inf], SPEC, seed=5)
    assert [(point.eps, point.robust.successes, point.robust.n) for point in curve.points] == [
        (0.0, 5, 6),
        (0.1, 3, 6),
        (0.2, 2, 6),
        (0.4, 1, 6),
        (1.0, 1, 6),
    ]
    assert not curve.reached_floor
    assert (curve.median_distance.value, curve.median_distance.n, curve.median_distance.standing) == (
        0.2,
        5,
        1,
    )
    assert curve.expected_robustness.value == pytest.approx((0 + 0.25 + 0.25 + 0.5 + 1 + 1) / 6)
    assert (curve.steps, curve.restarts, curve.refine, curve.seed, curve.n) == (7, 2, 1, 5, 6)


def test_it_ends_at_the_first_radius_under_one_percent() -> None:
    curve = robustness_curve([0.1] * 60 + [0.2] * 60 + [0.4], SPEC, seed=0)
    assert [point.eps for point in curve.points] == [0.0, 0.1, 0.2]
    assert curve.points[-1].robust.value == 1 / 121
    assert curve.reached_floor


def test_nothing_right_is_a_curve_of_one_point() -> None:
    curve = robustness_curve([0.0, 0.0], SPEC, seed=0)
    assert [point.eps for point in curve.points] == [0.0]
    assert curve.reached_floor
    assert curve.median_distance.value is None
    assert curve.median_distance.n == 0
    assert curve.expected_robustness.value == 0


def test_a_curve_is_the_same_after_json() -> None:
    curve = robustness_curve([0.0, 0.2, inf, inf, inf], SPEC, seed=0)
    text = curve.model_dump_json()
    assert RobustnessCurve.model_validate(json.loads(text)) == curve
    assert curve.median_distance.value is None
    assert "nan" not in text.lower()


@given(RADII)
def test_the_curve_falls_and_its_area_is_the_mean(radii: list[float]) -> None:
    curve = robustness_curve(radii, SPEC, seed=0)
    values = [point.robust.value for point in curve.points]
    assert values == sorted(values, reverse=True)
    # Brute force: the area under the exact step curve, radius by radius.
    corners = sorted({0.0, SPEC.expected_to, *(radius for radius in radii if radius < SPEC.expected_to)})
    area = sum(
        (right - left) * sum(radius > left for radius in radii) / len(radii)
        for left, right in pairwise(corners)
    )
    expected = curve.expected_robustness
    assert expected.value == pytest.approx(area / SPEC.expected_to, abs=1e-9)
    assert 0 <= expected.low <= expected.value <= expected.high <= 1


def test_the_interval_of_a_median_has_the_ranks_of_the_tables() -> None:
    """n = 10: ranks 2 and 9; n = 20: 6 and 15; n = 100: 40 and 61 (95 %, e.g. Conover, table A3)."""
    for n, low, high in ((6, 1, 6), (10, 2, 9), (20, 6, 15), (100, 40, 61)):
        values = [float(value) for value in range(1, n + 1)]
        assert median_of(values) == ((n + 1) // 2, low, high)
    assert median_of([1.0, 2.0, 3.0, 4.0, 5.0]) == (3, 0.0, inf)


@given(st.integers(6, 300), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_of_a_median_is_the_shortest_that_is_sure(n: int, confidence: float) -> None:
    _, low, high = median_of([float(value) for value in range(1, n + 1)], confidence)
    rank = int(low)
    if (low, high) == (0.0, inf):
        assert 2 * 0.5**n > 1 - confidence
        return
    assert high == n + 1 - rank

    def missed(k: int) -> float:
        result: float = 2 * sum(comb(n, i) for i in range(k)) / 2**n
        return result

    assert missed(rank) <= (1 - confidence) * (1 + 1e-12)
    assert missed(rank + 1) > (1 - confidence) * (1 - 1e-12)


def test_a_median_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        median_of([])


@given(st.integers(1, 400), st.data())
def test_a_mean_of_zeros_and_ones_is_a_proportion(n: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    value, low, high = mean_of([1.0] * successes + [0.0] * (n - successes))
    score = wilson(successes, n)
    assert value == pytest.approx(score.value)
    # One image more in the variance, so hardly wider and never narrower.
    assert low <= score.low + 1e-9
    assert high >= score.high - 1e-9
    assert high - low <= (score.high - score.low) * sqrt(1 + 1 / n) + 1e-9


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(lambda rng: rng.random(), id="even"),
        pytest.param(lambda rng: min(1.0, rng.expovariate(3.0)), id="skewed"),
        pytest.param(lambda rng: rng.choice([0.0, 0.0, 0.3, 0.5, 1.0]), id="rungs"),
    ],
)
@pytest.mark.parametrize("n", [20, 200])
def test_the_interval_of_a_mean_holds_it_as_often_as_it_says(
    draw: Callable[[random.Random], float], n: int
) -> None:
    rng = random.Random(1)
    truth = sum(draw(rng) for _ in range(200_000)) / 200_000
    tries = 800
    hits = sum(
        low <= truth <= high
        for _, low, high in (mean_of([draw(rng) for _ in range(n)]) for _ in range(tries))
    )
    assert 0.925 <= hits / tries <= 0.99


def test_values_that_happen_to_be_equal_are_not_certain() -> None:
    for value in (0.0, 0.5, 1.0):
        mean, low, high = mean_of([value] * 10)
        assert mean == value
        assert high - low > 0.05
    assert mean_of([]) == (0.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        mean_of([0.5, 1.1])


def test_the_median_is_of_images_right_without_an_attack() -> None:
    radii = [0.0] * 50 + [0.1] * 4 + [0.3] * 6 + [inf] * 2
    distance = median_distance(radii)
    assert (distance.value, distance.n, distance.standing) == (0.3, 12, 2)
    far = median_distance([0.1] * 4 + [inf] * 20)
    assert (far.value, far.high) == (None, None)
    assert far.low is None


def test_the_range_is_part_of_expected_robustness() -> None:
    radii = [0.0, 0.1, 0.3, inf]
    assert expected_robustness(radii, 0.1).value == pytest.approx(0.75)
    assert expected_robustness(radii, 0.2).value == pytest.approx((0.5 + 1 + 1) / 4)
    assert expected_robustness(radii, 0.2).to_eps == 0.2
