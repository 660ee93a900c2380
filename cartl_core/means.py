"""Means over repetitions of a run with Student's t interval, in plain Python.

The quantile of Student's t for whole degrees of freedom has a finite sum for its distribution function
(Abramowitz and Stegun 1964, 26.7.3 and 26.7.4), which bisection inverts.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import atan, cos, inf, pi, sin, sqrt
from statistics import fmean, stdev


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
