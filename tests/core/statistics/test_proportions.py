from __future__ import annotations

from math import comb, inf, log, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from cartl_core.statistics.proportions import mcnemar, paired_difference, ratio, wilson

Z95 = 1.959963984540054


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # z^2 / (n + z^2) by hand at the ends.
        (10, 10, 10 / (10 + Z95**2), 1.0),
        (0, 10, 0.0, Z95**2 / (10 + Z95**2)),
    ],
)
def test_wilson_against_published_values(successes: int, n: int, low: float, high: float) -> None:
    interval = wilson(successes, n)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)
    assert (interval.successes, interval.n, interval.confidence) == (successes, n, 0.95)


@given(st.integers(1, 5000), st.data())
def test_wilson_ends_solve_the_score_equation(n: int, data: st.DataObject) -> None:
    """|successes/n - p| = z * sqrt(p (1 - p) / n) at both ends: the definition."""
    successes = data.draw(st.integers(0, n))
    confidence = data.draw(st.sampled_from([0.8, 0.9, 0.95, 0.99]))
    z = {0.8: 1.2815515655446004, 0.9: 1.6448536269514722, 0.95: Z95, 0.99: 2.5758293035489004}[confidence]
    interval = wilson(successes, n, confidence)
    for end in (interval.low, interval.high):
        assert abs(successes / n - end) == pytest.approx(z * sqrt(end * (1 - end) / n), abs=1e-9)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    mirrored = wilson(n - successes, n, confidence)
    assert mirrored.low == pytest.approx(1 - interval.high, abs=1e-12)


@pytest.mark.parametrize("confidence", [0.90, 0.95])
def test_wilson_agrees_with_scipy(confidence: float) -> None:
    for n in (1, 2, 7, 100):
        for successes in range(n + 1):
            other = binomtest(successes, n).proportion_ci(confidence, method="wilson")
            interval = wilson(successes, n, confidence)
            assert (interval.low, interval.high) == pytest.approx((other.low, other.high), abs=1e-12)


def test_no_images_say_nothing() -> None:
    interval = wilson(0, 0)
    assert (interval.low, interval.high, interval.n) == (0.0, 1.0, 0)


@pytest.mark.parametrize(("successes", "n"), [(-1, 3), (4, 3), (1, 0), (0, -1)])
def test_impossible_counts_are_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="between 0 and n"):
        wilson(successes, n)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_confidence_is_between_0_and_1(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        wilson(1, 2, confidence)
    with pytest.raises(ValueError, match="confidence"):
        paired_difference(1, 1, 3, confidence)


def test_mcnemar_equals_the_exact_binomial_test() -> None:
    for first in range(25):
        for second in range(25):
            expected = binomtest(first, first + second).pvalue if first + second else 1.0
            assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 3000))
def test_mcnemar_of_large_counts(first: int, second: int) -> None:
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-7, abs=1e-280)
    assert mcnemar(first, second) == mcnemar(second, first)


def test_mcnemar_of_a_whole_test_set() -> None:
    assert mcnemar(13_000, 13_000) == 1.0
    assert mcnemar(12_000, 14_000) == pytest.approx(binomtest(12_000, 26_000).pvalue, rel=1e-7)
    assert mcnemar(0, 26_000) == 0.0


def score(tested: float, first: int, second: int, n: int) -> float:
    """Tango's statistic by its definition: the likelihood of the table is maximised over a grid of shares."""
    shares = [step / 20_000 for step in range(20_001)]
    # Shares of (first only, second only) that differ by what is tested.
    possible = [(q + tested, q) for q in shares if q + tested >= 0 and 2 * q + tested <= 1]

    def likelihood(pair: tuple[float, float]) -> float:
        cells = (*pair, 1 - sum(pair))
        counts = (first, second, n - first - second)
        if any(count and share <= 0 for count, share in zip(counts, cells, strict=True)):
            return -inf
        return sum(count * log(share) for count, share in zip(counts, cells, strict=True) if count)

    p, q = max(possible, key=likelihood)
    return (first - second - n * tested) / sqrt(n * (p + q - tested**2))


@pytest.mark.parametrize(("first", "second", "n"), [(9, 1, 30), (30, 10, 100), (0, 7, 50), (3, 2, 12)])
def test_paired_interval_ends_where_the_score_test_rejects(first: int, second: int, n: int) -> None:
    _, low, high = paired_difference(first, second, n)
    ends = [end for end in (low, high) if end != 0.0]
    assert len(ends) == 2
    assert score(low, first, second, n) == pytest.approx(Z95, abs=2e-3)
    assert score(high, first, second, n) == pytest.approx(-Z95, abs=2e-3)


def test_paired_interval_without_a_difference_has_a_closed_form() -> None:
    """No discordant pair at all: Wilson's end of no success, z^2 / (n + z^2), to both sides."""
    for n in (1, 5, 50, 1000):
        reach = Z95**2 / (n + Z95**2)
        assert paired_difference(0, 0, n) == pytest.approx((0.0, -reach, reach), abs=1e-9)


def test_paired_interval_excludes_zero_exactly_where_the_test_rejects() -> None:
    """Every table of up to 40 pairs, and all discordant counts near the border of larger ones."""
    small = [(b, c, n) for n in range(1, 41) for b in range(n + 1) for c in range(n - b + 1)]
    large = [
        (b, m - b, n)
        for m in (60, 101, 400, 2001)
        for b in range(max(0, int(m / 2 - 2 * sqrt(m))), min(m, int(m / 2 + 2 * sqrt(m))) + 1)
        for n in (m, 3 * m)
    ]
    sides = set()
    for first, second, n in small + large:
        difference, low, high = paired_difference(first, second, n)
        assert -1 <= low <= difference <= high <= 1
        assert (mcnemar(first, second) < 0.05) == (low > 0 or high < 0), (first, second, n)
        sides.add((low > 0, high < 0))
    assert sides == {(False, False), (True, False), (False, True)}


@given(st.integers(1, 10_000), st.data())
def test_paired_interval_turns_over_with_its_counts(n: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, n))
    second = data.draw(st.integers(0, n - first))
    difference, low, high = paired_difference(first, second, n)
    assert difference == (first - second) / n
    flipped = paired_difference(second, first, n)
    assert flipped == pytest.approx((-difference, -high, -low), abs=1e-12)


def test_paired_difference_covers_as_often_as_it_says() -> None:
    """Exact coverage at n = 30: sum of probabilities of all tables whose interval holds the truth."""
    n, p_first, p_second = 30, 0.2, 0.1
    covered = 0.0
    for first in range(n + 1):
        for second in range(n - first + 1):
            _, low, high = paired_difference(first, second, n)
            if low <= p_first - p_second <= high:
                rest = n - first - second
                tables = comb(n, first) * comb(n - first, second)
                covered += tables * p_first**first * p_second**second * (1 - p_first - p_second) ** rest
    assert 0.94 < covered < 0.98


@pytest.mark.parametrize(("first", "second", "n"), [(-1, 0, 3), (0, -1, 3), (2, 2, 3), (0, 0, 0)])
def test_impossible_tables_are_refused(first: int, second: int, n: int) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        paired_difference(first, second, n)


def test_negative_discordant_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        mcnemar(-1, 2)


def test_ratio_against_the_published_example() -> None:
    """Koopman (1984), Biometrics 40:513-517: 36 of 40 over 16 of 80."""
    assert ratio((36, 40), (16, 80)) == pytest.approx((4.5, 2.939, 7.152), abs=1e-3)


@given(st.integers(1, 400), st.integers(1, 400), st.data())
def test_a_ratio_holds_its_value_and_turns_over(m: int, n: int, data: st.DataObject) -> None:
    first = (data.draw(st.integers(1, m)), m)
    second = (data.draw(st.integers(1, n)), n)
    found, low, high = ratio(first, second)
    assert found == pytest.approx(first[0] / m / (second[0] / n))
    assert 0 < low < found < high
    assert ratio(second, first) == pytest.approx((1 / found, 1 / high, 1 / low), rel=1e-6)
    assert ratio((0, m), second)[:2] == (0.0, 0.0)


@pytest.mark.parametrize(("p_first", "p_second"), [(0.6, 0.75), (0.1, 0.2), (0.9, 0.3), (0.5, 0.5)])
def test_ratio_covers_as_often_as_it_says(p_first: float, p_second: float) -> None:
    """Exact coverage with n of 40 and 30: probabilities of all outcomes whose interval holds the truth."""
    m, n = 40, 30
    covered = possible = 0.0
    for x in range(m + 1):
        chance = comb(m, x) * p_first**x * (1 - p_first) ** (m - x)
        for y in range(1, n + 1):
            weight = chance * comb(n, y) * p_second**y * (1 - p_second) ** (n - y)
            if weight < 1e-9:
                continue
            _, low, high = ratio((x, m), (y, n))
            possible += weight
            covered += weight * (low <= p_first / p_second <= high)
    assert 0.935 < covered / possible < 0.97


@pytest.mark.parametrize(("first", "second"), [((1, 0), (1, 2)), ((3, 2), (1, 2)), ((1, 2), (-1, 2))])
def test_counts_that_are_no_proportion_are_refused(first: tuple[int, int], second: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="must be between"):
        ratio(first, second)


def test_a_ratio_to_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="not defined"):
        ratio((1, 2), (0, 2))
