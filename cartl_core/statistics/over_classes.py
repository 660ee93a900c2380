"""Intervals of figures that count every class alike: the mean over classes, and the lowest of them.

Sources: Zou, Huang and Zhang, "A note on confidence interval estimation for a linear function of binomial
proportions" (Computational Statistics and Data Analysis 53, 2009) for the mean; Bonferroni for the lowest.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from cartl_core.statistics.proportions import wilson

Counts = Sequence[tuple[int, int]]
"""Of each class: successes and images."""


def mean_of_proportions(counts: Counts, confidence: float = 0.95) -> tuple[float, float, float]:
    """(mean, low, high) of the proportions, each weighing the same.

    How far each class's Wilson interval reaches below its proportion is taken for its part in the variance:
    low = mean - sqrt(sum of (p_c - l_c)^2) / K, and high likewise (the "recovery" of variances, MOVER). With
    one class it is Wilson's interval.

    Raises:
        ValueError: there is no class, or one without images.
    """
    _require_images(counts)
    found = [wilson(successes, n, confidence) for successes, n in counts]
    mean = sum(each.value for each in found) / len(found)
    below = sqrt(sum((each.value - each.low) ** 2 for each in found)) / len(found)
    above = sqrt(sum((each.high - each.value) ** 2 for each in found)) / len(found)
    return mean, max(0.0, mean - below), min(1.0, mean + above)


def lowest_proportion(counts: Counts, confidence: float = 0.95) -> tuple[int, float, float]:
    """(which class, low, high): the class with the lowest proportion, the first of equal ones.

    The interval is of the lowest of the *true* proportions, whichever class that is. It is picked among K
    measured ones, so Wilson's own interval of it would be too low and too narrow. Each class gets one at
    1 - (1 - confidence) / K; with the confidence asked for all of them hold at once, and then the lowest
    proportion lies between the lowest of the lower ends and the lowest of the upper ends.

    Raises:
        ValueError: there is no class, or one without images.
    """
    _require_images(counts)
    alone = 1 - (1 - confidence) / len(counts)
    found = [wilson(successes, n, alone) for successes, n in counts]
    which = min(range(len(found)), key=lambda place: found[place].value)
    return which, min(each.low for each in found), min(each.high for each in found)


def _require_images(counts: Counts) -> None:
    if not counts or any(n < 1 for _, n in counts):
        raise ValueError("every class needs an image, and there must be one class")
