"""The rule of the choice against brute force, at its borders, and where plain transfer stands in it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartl_core.statistics.candidate_selection import (
    CandidateScore,
    ModelSelection,
    best,
    choose,
    front,
    leads,
    wider,
    within_margin,
)

N = 12


@st.composite
def standings(draw: st.DrawFn) -> CandidateScore:
    """Of N images some right, and of those some held; which ones matters where two are compared in pairs."""
    right = draw(st.integers(0, N))
    robust = tuple(place < right and draw(st.booleans()) for place in range(N))
    return CandidateScore(right, robust, draw(st.integers(1, 4)), baseline=draw(st.booleans()))


def score(right: int, held: int, tuned: int, *, baseline: bool, n: int = N) -> CandidateScore:
    """The first ``held`` of n images stand."""
    return CandidateScore(right, tuple(place < held for place in range(n)), tuned, baseline=baseline)


FOUND = st.lists(standings(), min_size=1, max_size=8).map(
    lambda found: [replace(found[0], baseline=True), *found[1:]]
)
LEADS = st.integers(0, 40).map(lambda tenths: tenths / 10)
MARGINS = st.integers(0, 100).map(lambda points: points / 100)


def by_brute_force(found: list[CandidateScore], among: list[int], percent: int) -> int:
    """Whoever no other beats, by the words of the rule, one comparison after the other."""
    cleanest = max(found[position].right for position in among)
    taken = None
    for position in among:
        own = found[position]
        if 100 * (cleanest - own.right) > percent * N:
            continue
        if taken is None:
            taken = position
            continue
        held = found[taken]
        if own.robust_count != held.robust_count:
            better = own.robust_count > held.robust_count
        elif own.right != held.right:
            better = own.right > held.right
        else:
            better = own.tuned < held.tuned
        taken = position if better else taken
    assert taken is not None
    return taken


def beats_by_brute_force(own: CandidateScore, rival: CandidateScore, percent: int, min_z: float) -> bool:
    """By the words of the rule: ahead beyond chance, or cleaner by more than the margin and as robust."""
    ahead = [mine - theirs for mine, theirs in zip(own.robust, rival.robust, strict=True)]
    mean = sum(ahead) / N
    error = sqrt(sum((value - mean) ** 2 for value in ahead)) / N
    cleaner = 100 * (own.right - rival.right) > percent * N
    return (sum(ahead) > 0 and mean > min_z * error + 1e-12) or (cleaner and sum(ahead) >= 0)


@given(FOUND, st.integers(0, 100), LEADS)
def test_the_rule_against_brute_force(found: list[CandidateScore], percent: int, min_z: float) -> None:
    everyone = list(range(len(found)))
    baseline = by_brute_force(found, [at for at in everyone if found[at].baseline], percent)
    cleanest = max(own.right for own in found)
    better = [
        at
        for at in everyone
        if 100 * (cleanest - found[at].right) <= percent * N
        and beats_by_brute_force(found[at], found[baseline], percent, min_z)
    ]
    assert choose(found, N, percent / 100, min_z) == ModelSelection(
        chosen=by_brute_force(found, [baseline, *better], 100), baseline=baseline
    )


@given(FOUND, MARGINS, LEADS)
def test_on_these_images_never_worse_than_plain_transfer(
    found: list[CandidateScore], margin: float, min_z: float
) -> None:
    choice = choose(found, N, margin, min_z)
    chosen, baseline = found[choice.chosen], found[choice.baseline]
    assert chosen.robust_count >= baseline.robust_count
    assert within_margin([chosen, baseline], N, margin)[0]


@given(FOUND, MARGINS, LEADS, LEADS)
def test_who_asks_for_a_larger_lead_gets_no_more_robust_a_candidate(
    found: list[CandidateScore], margin: float, one: float, other: float
) -> None:
    less, more = (found[choose(found, N, margin, min_z).chosen] for min_z in sorted((one, other)))
    assert less.robust_count >= more.robust_count


@pytest.mark.parametrize(
    ("only_own", "only_rival", "min_z", "expected"),
    [
        (1, 0, 0.0, True),
        (0, 0, 0.0, False),
        (4, 4, 0.0, False),
        (3, 5, 0.0, False),
        # 9 more of 300 that only one of the two holds: sqrt(9 - 81/300) = 2.95, so 3.05 standard errors.
        (9, 0, 3.0, True),
        (9, 0, 3.1, False),
        # 20 more of 100 that only one of the two holds: sqrt(100 - 400/300) = 9.93, so 2.01.
        (60, 40, 2.0, True),
        (60, 40, 2.02, False),
    ],
)
def test_a_lead_is_counted_in_standard_errors_of_the_paired_difference(
    only_own: int, only_rival: int, min_z: float, expected: bool
) -> None:
    n, both = 300, 150
    own = (True,) * only_own + (False,) * only_rival + (True,) * both
    rival = (False,) * only_own + (True,) * only_rival + (True,) * both
    rest = (False,) * (n - len(own))
    first, second = (CandidateScore(n, robust + rest, 1, baseline=False) for robust in (own, rival))
    assert leads(first, second, min_z) is expected


def test_the_border_of_a_lead_is_exact() -> None:
    """With 2 of 4 images only its own the lead is 2 / sqrt(2 - 4/4) = 2 exactly, which is not more than 2."""
    own, rival = score(4, 3, 1, baseline=False, n=4), score(4, 1, 1, baseline=True, n=4)
    assert not leads(own, rival, 2.0)
    assert leads(own, rival, 1.9999999999999998)


@pytest.mark.parametrize(("min_z", "least", "most"), [(0.0, 0.6, 1.0), (1.0, 0.15, 0.45), (2.0, 0.0, 0.05)])
def test_of_many_candidates_that_are_no_better_few_lead_by_two(
    min_z: float, least: float, most: float
) -> None:
    """Twenty-one equal ones, three of them plain; of 500 images each has 6 in 100 fall anew."""
    draw = np.random.default_rng(0)
    taken = 0
    for _ in range(300):
        common = draw.random(500) < 0.8
        anew = draw.random((21, 500)) < 0.06
        robust = np.where(anew, draw.random((21, 500)) < 0.8, common)
        found = [
            CandidateScore(450, tuple(row.tolist()), 1, baseline=place < 3)
            for place, row in enumerate(robust)
        ]
        taken += choose(found, 500, 0.01, min_z).chosen >= 3
    assert least <= taken / 300 <= most


def test_what_is_ahead_by_chance_gives_way_to_plain_transfer() -> None:
    baseline = score(450, 397, 4, baseline=True, n=500)
    lucky = CandidateScore(455, (False,) * 5 + (True,) * 404 + (False,) * 91, 6, baseline=False)
    assert lucky.robust_count == baseline.robust_count + 7
    assert choose([baseline, lucky], 500, 0.02, 0.0) == ModelSelection(chosen=1, baseline=0)
    assert choose([baseline, lucky], 500, 0.02, 2.0) == ModelSelection(chosen=0, baseline=0)


@given(FOUND, MARGINS)
def test_the_order_of_the_candidates_decides_nothing_but_full_ties(
    found: list[CandidateScore], margin: float
) -> None:
    everyone, backwards = range(len(found)), list(reversed(found))
    ahead = best(found, everyone, N, margin)
    behind = best(backwards, everyone, N, margin)

    def told(score: CandidateScore) -> tuple[int, int, int]:
        return score.right, score.robust_count, score.tuned

    assert told(found[ahead]) == told(backwards[behind])


@given(FOUND)
def test_the_front_holds_whom_nobody_beats(found: list[CandidateScore]) -> None:
    on = front(found)
    assert any(on)
    for own, is_on in zip(found, on, strict=True):
        beaten = any(
            (other.right >= own.right and other.robust_count > own.robust_count)
            or (other.right > own.right and other.robust_count >= own.robust_count)
            for other in found
        )
        assert is_on != beaten


@given(FOUND, MARGINS)
def test_the_best_one_is_on_the_front_of_those_near_enough(
    found: list[CandidateScore], margin: float
) -> None:
    near = within_margin(found, N, margin)
    eligible = [score for score, is_near in zip(found, near, strict=True) if is_near]
    taken = found[best(found, range(len(found)), N, margin)]
    assert front(eligible)[eligible.index(taken)]


def test_a_margin_means_what_it_says_in_decimals() -> None:
    """In binary 0.29 * 100 is less than 29, and 0.07 * 100 more than 7."""
    assert 0.29 * 100 < 29 and 0.07 * 100 > 7
    for percent in range(101):
        at = [score(100, 0, 1, baseline=True), score(100 - percent, 0, 1, baseline=False)]
        assert within_margin(at, 100, percent / 100) == (True, True)
        beyond = [at[0], score(max(0, 99 - percent), 0, 1, baseline=False)]
        assert within_margin(beyond, 100, percent / 100)[1] == (percent == 100)
    assert Fraction(repr(0.29)) * 100 == 29


def test_ties_go_to_the_cleaner_then_to_fewer_tuned_blocks_then_to_the_first() -> None:
    robust, cleaner = score(8, 5, 3, baseline=True), score(9, 5, 3, baseline=False)
    assert best([robust, cleaner], [0, 1], 10, 0.1) == 1
    smaller = score(9, 5, 2, baseline=False)
    assert best([cleaner, smaller], [0, 1], 10, 0.1) == 1
    assert best([smaller, smaller], [0, 1], 10, 0.1) == 0
    assert best([cleaner, robust], [0, 1], 10, 0.0) == 0, "out of the margin, so no tie"


def test_without_plain_transfer_there_is_no_choice() -> None:
    with pytest.raises(ValueError, match="empty"):
        choose([score(3, 2, 1, baseline=False)], 5, 0.01, 2.0)


@settings(deadline=None, max_examples=30)
@given(FOUND, st.integers(0, 1000), LEADS)
def test_wider_margins_against_trying_them_all(
    found: list[CandidateScore], thousandths: int, min_z: float
) -> None:
    held, steps = found[choose(found, N, thousandths / 1000, min_z).chosen].robust_count, []
    for margin in (other / 1000 for other in range(thousandths + 1, 1001)):
        other = choose(found, N, margin, min_z).chosen
        if found[other].robust_count > held:
            steps.append((margin, other))
            held = found[other].robust_count
    assert wider(found, N, thousandths / 1000, min_z) == steps


def test_a_plain_candidate_enters_a_wider_margin_by_the_cleanest_plain_one() -> None:
    """Of 12 images the cleanest gets 12 right, the plain ones 10 and 9: the second enters at 1 of 12."""
    found = [
        score(9, 5, 1, baseline=True, n=12),
        score(10, 3, 1, baseline=True, n=12),
        score(12, 0, 1, baseline=False, n=12),
    ]
    assert wider(found, 12, 0.0, 0.0) == [(0.084, 0)]
