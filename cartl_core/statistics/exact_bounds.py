"""Exact one-sided bounds of a proportion, in plain Python.

Sources: Clopper and Pearson, Biometrika 26 (1934); the continued fraction of the incomplete beta function,
DLMF 8.17.22, by the modified method of Lentz.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, lgamma, log, log1p

MOST_IMAGES = 10**8
"""Sizes of samples beyond it are not looked for."""
_TINY, _CLOSE, _MOST_TERMS = 1e-300, 1e-15, 100_000


def exact_bounds(successes: int, n: int, confidence: float) -> tuple[float, float]:
    """(low, high): the proportion is below ``low`` with at most the risk 1 - confidence, above ``high`` too.

    ``low`` is more than p0 exactly where the binomial test of "at most p0" rejects at 1 - confidence.

    Raises:
        ValueError: unless 0 <= successes <= n, n >= 1 and 0.5 < confidence < 1.
    """
    if not 0 <= successes <= n or n < 1 or not 0.5 < confidence < 1:
        raise ValueError(f"successes={successes} of n={n} at confidence={confidence} is no proportion")
    risk = 1 - confidence
    low = _crossing(lambda p: at_least(successes, n, p) > risk) if successes else 0.0
    high = _crossing(lambda p: at_most(successes, n, p) <= risk) if successes < n else 1.0
    return low, high


def images_to_decide(successes: int, n: int, bound: float, confidence: float) -> int | None:
    """Fewest images, with the share of ``successes`` in ``n`` among them, that tell it from ``bound``.

    None where the share is the bound, and where more than ``MOST_IMAGES`` would be needed.
    """
    share, risk = successes / n, 1 - confidence
    if share == bound:
        return None

    def decided(images: int) -> bool:
        tail = at_least if share > bound else at_most
        return tail(share * images, images, bound) <= risk

    if decided(n):
        return n
    few, many = n, 2 * n
    while not decided(many):
        few, many = many, 2 * many
        if few > MOST_IMAGES:
            return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if decided(middle) else (middle, many)
    return many


def at_least(successes: float, n: float, p: float) -> float:
    """Chance of ``successes`` or more of ``n`` where each has the chance ``p``."""
    return incomplete_beta(p, successes, n - successes + 1) if successes > 0 else 1.0


def at_most(successes: float, n: float, p: float) -> float:
    """Chance of ``successes`` or fewer of ``n`` where each has the chance ``p``."""
    return incomplete_beta(1 - p, n - successes, successes + 1) if successes < n else 1.0


def incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function of ``x`` in [0, 1], for ``a`` and ``b`` above 0."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    upper, lower = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    found = lower
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            lower = 1 / _away_from_zero(1 + term * lower)
            upper = _away_from_zero(1 + term / upper)
            found *= lower * upper
        if abs(lower * upper - 1) < _CLOSE:
            break
    return found


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _crossing(beyond: Callable[[float], bool]) -> float:
    """Where in [0, 1] a condition that fails below and holds above begins to hold; by bisection."""
    left, right = 0.0, 1.0
    while left < (middle := (left + right) / 2) < right:
        left, right = (left, middle) if beyond(middle) else (middle, right)
    return left
