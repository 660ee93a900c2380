"""Intervals and tests for proportions, in plain Python.

Sources: Wilson (1927) for one proportion; the exact conditional form of McNemar's test (1947) and Tango's
score interval (1998) for a paired difference; Holm (1979) for several tests at once; Koopman (1984) for a
ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, copysign, inf, sqrt
from statistics import NormalDist

from cartl_core.report import Interval


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson score interval of ``successes`` out of ``n``; with n = 0 it is all of [0, 1].

    Raises:
        ValueError: unless 0 <= successes <= n and 0 < confidence < 1.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes={successes} must be between 0 and n={n}")
    if n == 0:
        return Interval(value=0.0, low=0.0, high=1.0, n=0, successes=0, confidence=confidence)
    z = _quantile(confidence)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(value=share, low=low, high=high, n=n, successes=successes, confidence=confidence)


def standard_error(figure: Interval) -> float:
    """Of a proportion, as a fraction: half its 95 % Wilson interval over 1.96, so it is never 0."""
    return (figure.high - figure.low) / (2 * _TWO_SIDED_95)


_TWO_SIDED_95 = 1.96


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value that the two discordant counts are equally likely."""
    _require_counts(only_first, only_second)
    discordant = only_first + only_second
    return min(1.0, 2 * _at_most(min(only_first, only_second), discordant))


def mcnemar_above(only_first: int, only_second: int) -> float:
    """One-sided exact p-value of the first discordant count being so large, if it is not the likelier one."""
    _require_counts(only_first, only_second)
    return _at_most(only_second, only_first + only_second)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values, in the same order: one below alpha happens by chance with at most alpha, in all.

    Holds whatever hangs on whatever among the tests.
    """
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        highest = max(highest, (len(p_values) - rank) * p_values[place])
        adjusted[place] = min(1.0, highest)
    return tuple(adjusted)


def paired_difference(
    only_first: int, only_second: int, n: int, confidence: float = 0.95
) -> tuple[float, float, float]:
    """(first - second) / n and its interval, which excludes 0 exactly where ``mcnemar`` rejects equality.

    Tango's score interval (Statistics in Medicine 17, 1998): every difference that its score test keeps. At
    0 that is McNemar's test without a correction, which rejects a little more than the exact test does; the
    interval is then extended to 0, so it covers at least as often as Tango's.

    Returns:
        (difference, low, high), each in [-1, 1].

    Raises:
        ValueError: the counts do not fit ``n``, or the confidence is not between 0 and 1.
    """
    if only_first < 0 or only_second < 0 or only_first + only_second > n or n < 1:
        raise ValueError(f"discordant counts {only_first}, {only_second} do not fit n={n}")
    z = _quantile(confidence)

    def score(tested: float) -> float:
        return _paired_score(tested, only_first, only_second, n)

    found = (only_first - only_second) / n
    low, high = _falls_to(z, -1.0, found, score), _falls_to(-z, found, 1.0, score)
    if mcnemar(only_first, only_second) >= 1 - confidence:
        low, high = min(low, 0.0), max(high, 0.0)
    return found, low, high


def pairs_to_decide(only_first: int, only_second: int, n: int, bound: float, confidence: float) -> int | None:
    """About how many images tell the paired difference from ``bound``, one-sided, with the same shares.

    The score grows as the root of the number of images. None where the difference is the bound.
    """
    score = abs(_paired_score(bound, only_first, only_second, n))
    if score == 0:
        return None
    z = NormalDist().inv_cdf(confidence)
    return max(n + 1, ceil(n * (z / score) ** 2))


def _paired_score(tested: float, only_first: int, only_second: int, n: int) -> float:
    """Score statistic of "the difference is ``tested``", standard normal if it is (Tango 1998)."""
    difference = only_first - only_second - n * tested
    if difference == 0:
        return 0.0
    # The second discordant share's maximum likelihood estimate under the hypothesis.
    linear = (2 * n - only_first + only_second) * tested - only_first - only_second
    root = sqrt(max(0.0, linear**2 + 8 * n * only_second * tested * (1 - tested)))
    share = (root - linear) / (4 * n)
    variance = n * (2 * share + tested * (1 - tested))
    return copysign(inf, difference) if variance <= 0 else difference / sqrt(variance)


def ratio(
    first: tuple[int, int], second: tuple[int, int], confidence: float = 0.95
) -> tuple[float, float, float]:
    """Ratio of two independent proportions with Koopman's asymptotic score interval: (ratio, low, high).

    It inverts the score test of "the ratio is r", as Wilson's interval does for one proportion, so it needs
    no correction for zeros in ``first`` and covers better than the log-normal interval (Fagerland, Lydersen
    and Laake 2015).

    Args:
        first: (successes, n) of the numerator.
        second: (successes, n) of the denominator.

    Raises:
        ValueError: counts that are no proportion, or no success in ``second``: the ratio is not defined.
    """
    for successes, n in (first, second):
        if not 0 <= successes <= n or n < 1:
            raise ValueError(f"successes={successes} must be between 0 and n={n}, and n at least 1")
    if second[0] == 0:
        raise ValueError("the second proportion has no successes: the ratio is not defined")
    z = _quantile(confidence)

    def score(tested: float) -> float:
        return _ratio_score(tested, first, second)

    found = (first[0] / first[1]) / (second[0] / second[1])
    above = max(2 * found, 1.0)
    while score(above) > -z:
        above *= 2
    low = _falls_to(z, 0.0, found, score) if first[0] else 0.0
    return found, low, _falls_to(-z, found, above, score)


def _ratio_score(tested: float, first: tuple[int, int], second: tuple[int, int]) -> float:
    """Score statistic of "first is ``tested`` times second", standard normal if it is."""
    (x, m), (y, n) = first, second
    difference = x / m - tested * y / n
    if difference == 0:
        return 0.0
    # The second proportion's maximum likelihood estimate under the hypothesis, as the stable root.
    linear = m * tested + x + n + y * tested
    share = 2 * (x + y) / (linear + sqrt(max(0.0, linear**2 - 4 * (m + n) * tested * (x + y))))
    variance = tested * share * (1 - tested * share) / m + tested**2 * share * (1 - share) / n
    return copysign(inf, difference) if variance <= 0 else difference / sqrt(variance)


def _falls_to(level: float, left: float, right: float, score: Callable[[float], float]) -> float:
    """Where, between ``left`` and ``right``, a score that falls reaches ``level``; by bisection."""
    for _ in range(100):
        middle = (left + right) / 2
        if not left < middle < right:
            break
        if score(middle) > level:
            left = middle
        else:
            right = middle
    return (left + right) / 2


def _require_counts(only_first: int, only_second: int) -> None:
    if only_first < 0 or only_second < 0:
        raise ValueError("counts must not be negative")


def _at_most(count: int, throws: int) -> float:
    """Chance of at most ``count`` heads in ``throws`` throws of a fair coin."""
    # Exact integers; each binomial coefficient from the one before, or ten thousand take seconds.
    tail = coefficient = 1
    for i in range(count):
        coefficient = coefficient * (throws - i) // (i + 1)
        tail += coefficient
    whole: int = 2**throws
    return tail / whole


def _quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence} must be between 0 and 1")
    return NormalDist().inv_cdf(0.5 + confidence / 2)
