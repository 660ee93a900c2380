"""How often a check of an honest network fails by chance, and the one-sided test and correction behind it."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, false_discovery_control

from cartl_core.analysis.checks.attack_strength import ALPHA, rising_eps
from cartl_core.analysis.checks.gradient_masking import ComparedAttack, masking
from cartl_core.statistics.proportions import holm, mcnemar_above, wilson

N = 200

# The one-sided test and its correction.


@pytest.mark.parametrize(("more", "fewer"), [(0, 0), (1, 0), (5, 0), (3, 9), (9, 3), (40, 25)])
def test_one_sided_mcnemar_agrees_with_scipy(more: int, fewer: int) -> None:
    if more + fewer == 0:
        assert mcnemar_above(0, 0) == 1
    else:
        expected = binomtest(more, more + fewer, 0.5, alternative="greater").pvalue
        assert mcnemar_above(more, fewer) == pytest.approx(expected, rel=1e-9)
    with pytest.raises(ValueError, match="negative"):
        mcnemar_above(-1, 3)


@given(st.lists(st.floats(0, 1), max_size=6))
def test_holm_by_its_definition(p_values: list[float]) -> None:
    """The k-th smallest is rejected at alpha if each smaller one is, and p <= alpha / (m - k + 1)."""
    adjusted = holm(p_values)
    for alpha in (0.01, 0.05, 0.3):
        rejected = set()
        for rank, place in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
            if p_values[place] * (len(p_values) - rank) >= alpha:
                break
            rejected.add(place)
        assert {place for place, value in enumerate(adjusted) if value < alpha} == rejected
    assert all(before <= after <= 1 for before, after in zip(p_values, adjusted, strict=True))


def test_holm_is_stricter_than_the_false_discovery_rate() -> None:
    p_values = [0.01, 0.02, 0.03, 0.005]
    assert (np.array(holm(p_values)) >= false_discovery_control(p_values)).all()


# False alarms: how often an honest network fails by chance.


def test_one_paired_test_raises_false_alarms_at_most_as_often_as_it_says() -> None:
    """Exactly, over every number of images on which two equally strong runs disagree."""
    for discordant in range(N + 1):
        alarms = sum(
            comb(discordant, more)
            for more in range(discordant + 1)
            if mcnemar_above(more, discordant - more) < ALPHA
        )
        assert alarms <= ALPHA * 2**discordant


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_an_honest_network_fails_the_rising_test_at_most_as_often_as_it_says(share: float) -> None:
    """The worst case: equally robust at all five radii, each run with its own luck. 400 networks."""
    draw = np.random.default_rng(7)
    alarms = 0
    for _ in range(400):
        robust = draw.random(N) < 0.5
        runs = [(eps, np.where(draw.random(N) < share, ~robust, robust).tolist()) for eps in (1, 2, 3, 4, 5)]
        alarms += rising_eps(runs).status == "failed"
    assert alarms / 400 <= wilson(int(ALPHA * 400), 400, 0.999).high


def test_an_honest_network_whose_accuracy_falls_never_fails() -> None:
    draw = np.random.default_rng(8)
    for _ in range(100):
        radius, noise = draw.exponential(0.1, N), draw.random((5, N))
        runs = [
            (eps, ((radius > eps) ^ (noise[at] < 0.02)).tolist())
            for at, eps in enumerate((0.025, 0.05, 0.1, 0.2, 0.4))
        ]
        assert rising_eps(runs).status == "passed"


def test_masking_raises_few_false_alarms() -> None:
    """Four rivals as strong as the reference, each with its own luck on one image in ten. 400 networks."""
    draw = np.random.default_rng(9)
    alarms = 0
    for _ in range(400):
        robust = draw.random(N) < 0.5
        runs = [np.where(draw.random(N) < 0.1, ~robust, robust).tolist() for _ in range(5)]
        compared_attacks = [
            ComparedAttack(str(at), run, runs[0], runs[0], "loss") for at, run in enumerate(runs[1:])
        ]
        alarms += masking(compared_attacks, "pgd").status == "failed"
    assert alarms / 400 <= wilson(int(ALPHA * 400), 400, 0.999).high
