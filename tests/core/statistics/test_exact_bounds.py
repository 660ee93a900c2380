"""Exact bounds beside scipy's beta distribution, and the size of a sample that decides."""

from __future__ import annotations

import pytest
from scipy.stats import beta, binom

from cartl_core.statistics.exact_bounds import (
    MOST_IMAGES,
    at_least,
    at_most,
    exact_bounds,
    images_to_decide,
    incomplete_beta,
)
from cartl_core.statistics.proportions import paired_difference, pairs_to_decide


@pytest.mark.parametrize("confidence", [0.6, 0.95, 0.999])
@pytest.mark.parametrize(("k", "n"), [(0, 7), (7, 7), (1, 1), (450, 1000), (3, 10_000), (9_990, 10_000)])
def test_the_bounds_are_those_of_clopper_and_pearson(k: int, n: int, confidence: float) -> None:
    low, high = exact_bounds(k, n, confidence)
    assert low == pytest.approx(beta.ppf(1 - confidence, k, n - k + 1) if k else 0.0, abs=1e-9)
    assert high == pytest.approx(beta.ppf(confidence, k + 1, n - k) if k < n else 1.0, abs=1e-9)


def test_tails_are_those_of_the_binomial_distribution() -> None:
    for n, p in ((5, 0.3), (200, 0.9), (10_000, 0.45)):
        for k in (0, 1, n // 3, n - 1, n):
            assert at_least(k, n, p) == pytest.approx(binom.sf(k - 1, n, p), abs=1e-10)
            assert at_most(k, n, p) == pytest.approx(binom.cdf(k, n, p), abs=1e-10)


def test_the_incomplete_beta_function_ends_at_0_and_1() -> None:
    assert [incomplete_beta(x, 2.5, 3.5) for x in (0.0, 1.0)] == [0.0, 1.0]
    assert incomplete_beta(0.3, 1, 1) == pytest.approx(0.3)


@pytest.mark.parametrize("given", [(-1, 5, 0.9), (6, 5, 0.9), (0, 0, 0.9), (1, 5, 0.5), (1, 5, 1.0)])
def test_what_is_no_proportion_is_refused(given: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="is no proportion"):
        exact_bounds(*given)


@pytest.mark.parametrize(("k", "n", "bound"), [(47, 100, 0.45), (43, 100, 0.45), (96, 100, 0.95)])
def test_as_many_images_decide_and_one_less_does_not(k: int, n: int, bound: float) -> None:
    needed = images_to_decide(k, n, bound, 0.95)
    assert needed is not None and needed > n

    def risk(images: int) -> float:
        found = k / n * images
        if k / n > bound:
            return float(beta.cdf(bound, found, images - found + 1))
        return float(beta.sf(bound, found + 1, images - found))

    assert risk(needed) <= 0.05 < risk(needed - 1)


def test_what_is_on_the_bound_is_never_decided() -> None:
    assert images_to_decide(45, 100, 0.45, 0.95) is None
    assert images_to_decide(450_001, 1_000_000, 0.45, 0.95) is None, f"more than {MOST_IMAGES}"
    assert images_to_decide(90, 100, 0.45, 0.95) == 100


def test_as_many_pairs_decide_a_difference() -> None:
    assert paired_difference(12, 8, 100, confidence=0.9)[1] < 0
    needed = pairs_to_decide(12, 8, 100, 0.0, 0.95)
    assert needed is not None
    # z of McNemar's test is (12 - 8) / sqrt(20) at 100 images.
    assert needed == pytest.approx(100 * 1.6449**2 / (16 / 20), rel=0.01)
    assert pairs_to_decide(10, 10, 100, 0.0, 0.95) is None
