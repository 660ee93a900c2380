"""Intervals for the median of any values and for the mean of values in [0, 1], in plain Python.

Sources: order statistics for a median, Thompson (1936); the score interval at the effective number of
observations, as surveys use it, Kish (1965) and Dean and Pagano (2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import atan, cos, inf, pi, sin, sqrt
from statistics import NormalDist, fmean, stdev


def median_of(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """(median, low, high): the lower median, and two of the values that hold it with this confidence.

    Nothing is supposed of the distribution: the true median lies below the k-th smallest of n values with
    the probability that fewer than k of n fair coins show heads. Where even the smallest and the largest
    value are not sure enough (n below 6 at 95 %), the interval is everything from 0.

    Args:
        values: at least one, none negative; infinite ones are allowed.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("no values have no median")
    ordered, n = sorted(values), len(values)
    middle = ordered[(n - 1) // 2]
    rank = _sure_rank(n, confidence)
    return (middle, ordered[rank - 1], ordered[n - rank]) if rank else (middle, 0.0, inf)


def mean_of(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """(mean, low, high) of values in [0, 1]; with none of them it is (0, 0, 1).

    The score interval of a proportion, as if as many images had been seen as yes or no as it takes to
    know the mean as well. To the variance one image is added that is as far from the mean as images can
    be, so that values which happen to be equal do not make it certain.

    Raises:
        ValueError: a value is outside [0, 1].
    """
    if any(not 0 <= value <= 1 for value in values):
        raise ValueError("values must be between 0 and 1")
    n = len(values)
    if not n:
        return 0.0, 0.0, 1.0
    mean = sum(values) / n
    most = mean * (1 - mean)
    spread = (sum((value - mean) ** 2 for value in values) + most) / n
    effective = n * max(1.0, most / spread) if spread > 0 else float(n)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    centre = (mean + z * z / (2 * effective)) / (1 + z * z / effective)
    half = z / (1 + z * z / effective) * sqrt(most / effective + z * z / (4 * effective**2))
    return mean, max(0.0, min(mean, centre - half)), min(1.0, max(mean, centre + half))


def _sure_rank(n: int, confidence: float) -> int:
    """The largest k for which fewer than k heads of n fair coins are no likelier than half the risk."""
    # Exact integers; each binomial coefficient from the one before.
    allowed = int(Fraction((1 - confidence) / 2) * 2**n)
    tail, coefficient = 0, 1
    for rank in range(1, n + 1):
        tail += coefficient
        if tail > allowed:
            return rank - 1
        coefficient = coefficient * (n - rank + 1) // rank
    return 0


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """The mean of independent ``values`` and its t interval: (mean, low, high).

    Supposes that they are about normally distributed. With two values the interval is 12.7 standard errors
    to each side: two repetitions tell little.

    Raises:
        ValueError: fewer than two values, or a confidence outside of (0, 1).
    """
    if len(values) < 2:
        raise ValueError(f"an interval over repetitions needs at least 2 of them, not {len(values)}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence} must be between 0 and 1")
    mean = fmean(values)
    half = t_quantile(0.5 + confidence / 2, len(values) - 1) * stdev(values) / sqrt(len(values))
    return mean, mean - half, mean + half


def t_quantile(probability: float, freedom: int) -> float:
    """The value that Student's t with ``freedom`` (1 or more) degrees stays below with ``probability``."""
    if freedom < 1 or not 0 < probability < 1:
        raise ValueError(f"no quantile {probability} of Student's t with {freedom} degrees of freedom")
    if probability < 0.5:
        return -t_quantile(1 - probability, freedom)
    low, high = 0.0, 1.0
    while _below(high, freedom) < probability and high < inf:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if _below(middle, freedom) < probability else (low, middle)
    return high


def _below(t: float, freedom: int) -> float:
    """Chance that Student's t with whole degrees of freedom is below ``t`` (0 or more)."""
    angle = atan(t / sqrt(freedom))
    odd = freedom % 2
    term = cos(angle) if odd else 1.0
    total = 0.0
    for i in range(1 + odd, freedom, 2):
        total += term
        term *= cos(angle) ** 2 * i / (i + 1)
    within = 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total
    return 0.5 + within / 2
