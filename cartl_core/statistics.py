"""Intervals and tests for proportions, in plain Python.

Sources: Wilson (1927) for one proportion; Agresti and Min (2005) for the interval of a paired
difference; the exact conditional form of McNemar's test (1947).
"""

from __future__ import annotations

from math import sqrt
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


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value that the two discordant counts are equally likely."""
    if only_first < 0 or only_second < 0:
        raise ValueError("counts must not be negative")
    discordant = only_first + only_second
    smaller = min(only_first, only_second)
    # Exact integers; each binomial coefficient from the one before, or ten thousand take seconds.
    tail = coefficient = 1
    for i in range(smaller):
        coefficient = coefficient * (discordant - i) // (i + 1)
        tail += coefficient
    whole: int = 2**discordant
    return min(1.0, 2 * tail / whole)


def paired_difference(
    only_first: int, only_second: int, n: int, confidence: float = 0.95
) -> tuple[float, float, float]:
    """(first - second) / n with its Agresti-Min interval: (difference, low, high)."""
    if only_first < 0 or only_second < 0 or only_first + only_second > n or n < 1:
        raise ValueError(f"discordant counts {only_first}, {only_second} do not fit n={n}")
    z = _quantile(confidence)
    total = n + 2
    first, second = (only_first + 0.5) / total, (only_second + 0.5) / total
    half = z * sqrt((first + second - (first - second) ** 2) / total)
    return (
        (only_first - only_second) / n,
        max(-1.0, first - second - half),
        min(1.0, first - second + half),
    )


def _quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence} must be between 0 and 1")
    return NormalDist().inv_cdf(0.5 + confidence / 2)
