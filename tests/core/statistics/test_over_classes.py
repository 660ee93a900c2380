"""Intervals of balanced accuracy and of the lowest class: by hand, at the ends, and how often they hold."""

from __future__ import annotations

import random
from math import sqrt

import pytest

from cartl_core.statistics.over_classes import lowest_proportion, mean_of_proportions
from cartl_core.statistics.proportions import wilson


def test_of_one_class_both_are_wilsons() -> None:
    alone = wilson(7, 20)
    assert mean_of_proportions([(7, 20)]) == pytest.approx((alone.value, alone.low, alone.high))
    assert lowest_proportion([(7, 20)]) == pytest.approx((0, alone.low, alone.high))


def test_the_mean_counts_every_class_the_same() -> None:
    counts = [(90, 100), (1, 4)]
    value, low, high = mean_of_proportions(counts)
    assert value == pytest.approx((0.9 + 0.25) / 2)
    big, small = (wilson(*pair) for pair in counts)
    below = sqrt((0.9 - big.low) ** 2 + (0.25 - small.low) ** 2) / 2
    above = sqrt((big.high - 0.9) ** 2 + (small.high - 0.25) ** 2) / 2
    assert (low, high) == pytest.approx((value - below, value + above))


def test_many_equal_classes_are_as_sure_as_one_of_all_images() -> None:
    value, low, high = mean_of_proportions([(60, 100)] * 25)
    together = wilson(60 * 25, 2_500)
    assert value == pytest.approx(together.value)
    assert high - low == pytest.approx(together.high - together.low, rel=0.02)


def test_the_ends_stay_within_zero_and_one() -> None:
    assert mean_of_proportions([(0, 3), (0, 1)])[:2] == (0.0, 0.0)
    assert mean_of_proportions([(3, 3), (1, 1)])[::2] == (1.0, 1.0)


def test_a_class_without_images_is_refused() -> None:
    for counts in ([], [(0, 0)], [(1, 2), (0, 0)]):
        with pytest.raises(ValueError, match="every class needs an image"):
            mean_of_proportions(counts)
        with pytest.raises(ValueError, match="every class needs an image"):
            lowest_proportion(counts)


def test_the_lowest_class_is_named_and_its_interval_is_for_whichever_is_lowest() -> None:
    counts = [(50, 100), (45, 100), (3, 4)]
    which, low, high = lowest_proportion(counts)
    assert which == 1
    each = [wilson(*pair, 1 - 0.05 / 3) for pair in counts]
    assert (low, high) == (min(one.low for one in each), min(one.high for one in each))
    assert low < 0.45 < high


@pytest.mark.parametrize("true", [(0.9, 0.8, 0.3), (0.5, 0.5, 0.5), (0.97, 0.95, 0.99)])
@pytest.mark.parametrize("sizes", [(200, 100, 20), (30, 12, 8)])
def test_the_intervals_hold_what_is_true_as_often_as_they_say(
    true: tuple[float, ...], sizes: tuple[int, ...]
) -> None:
    draw, trials = random.Random(5), 600
    held = [0, 0]
    for _ in range(trials):
        counts = [
            (sum(draw.random() < share for _ in range(n)), n) for share, n in zip(true, sizes, strict=True)
        ]
        _, low, high = mean_of_proportions(counts)
        held[0] += low <= sum(true) / 3 <= high
        _, low, high = lowest_proportion(counts)
        held[1] += low <= min(true) <= high
    # 95 % less three standard errors of 600 trials.
    assert min(held) / trials > 0.95 - 3 * sqrt(0.95 * 0.05 / trials)
