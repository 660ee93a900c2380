"""The rule of the choice against brute force, at its borders, and where plain transfer stands in it."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartl_core.choice import Choice, Standing, best, choose, front, wider, within_margin

N = 12
STANDINGS = st.integers(0, N).flatmap(
    lambda right: st.builds(
        Standing,
        right=st.just(right),
        held=st.integers(0, right),
        tuned=st.integers(1, 4),
        plain=st.booleans(),
    )
)
FOUND = st.lists(STANDINGS, min_size=1, max_size=8).map(
    lambda found: [Standing(found[0].right, found[0].held, found[0].tuned, plain=True), *found[1:]]
)
MARGINS = st.integers(0, 100).map(lambda points: points / 100)


def by_brute_force(found: list[Standing], among: list[int], percent: int) -> int:
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
        if own.held != held.held:
            better = own.held > held.held
        elif own.right != held.right:
            better = own.right > held.right
        else:
            better = own.tuned < held.tuned
        taken = position if better else taken
    assert taken is not None
    return taken


@given(FOUND, st.integers(0, 100))
def test_the_rule_against_brute_force(found: list[Standing], percent: int) -> None:
    everyone = list(range(len(found)))
    plain = [position for position in everyone if found[position].plain]
    assert choose(found, N, percent / 100) == Choice(
        chosen=by_brute_force(found, everyone, percent), plain=by_brute_force(found, plain, percent)
    )


@given(FOUND, MARGINS)
def test_never_less_robust_than_a_plain_one_that_is_clean_enough(
    found: list[Standing], margin: float
) -> None:
    choice = choose(found, N, margin)
    near = within_margin(found, N, margin)
    assert near[choice.chosen]
    if near[choice.plain]:
        assert found[choice.chosen].held >= found[choice.plain].held
    else:
        assert found[choice.chosen].right > found[choice.plain].right


@given(FOUND, MARGINS)
def test_the_order_of_the_candidates_decides_nothing_but_full_ties(
    found: list[Standing], margin: float
) -> None:
    ahead = choose(found, N, margin).chosen
    backwards = list(reversed(found))
    behind = choose(backwards, N, margin).chosen

    def told(standing: Standing) -> tuple[int, int, int]:
        return standing.right, standing.held, standing.tuned

    assert told(found[ahead]) == told(backwards[behind])


@given(FOUND)
def test_the_front_holds_whom_nobody_beats(found: list[Standing]) -> None:
    on = front(found)
    assert any(on)
    for own, is_on in zip(found, on, strict=True):
        beaten = any(
            (other.right >= own.right and other.held > own.held)
            or (other.right > own.right and other.held >= own.held)
            for other in found
        )
        assert is_on != beaten


@given(FOUND, MARGINS)
def test_the_chosen_one_is_on_the_front_of_those_near_enough(found: list[Standing], margin: float) -> None:
    near = within_margin(found, N, margin)
    eligible = [standing for standing, is_near in zip(found, near, strict=True) if is_near]
    chosen = found[choose(found, N, margin).chosen]
    assert front(eligible)[eligible.index(chosen)]


def test_a_margin_means_what_it_says_in_decimals() -> None:
    """In binary 0.29 * 100 is less than 29, and 0.07 * 100 more than 7."""
    assert 0.29 * 100 < 29 and 0.07 * 100 > 7
    for percent in range(101):
        at = [Standing(100, 0, 1, plain=True), Standing(100 - percent, 0, 1, plain=False)]
        assert within_margin(at, 100, percent / 100) == (True, True)
        beyond = [at[0], Standing(max(0, 99 - percent), 0, 1, plain=False)]
        assert within_margin(beyond, 100, percent / 100)[1] == (percent == 100)
    assert Fraction(repr(0.29)) * 100 == 29


def test_ties_go_to_the_cleaner_then_to_fewer_tuned_blocks_then_to_the_first() -> None:
    robust, cleaner = Standing(8, 5, 3, plain=True), Standing(9, 5, 3, plain=False)
    assert best([robust, cleaner], [0, 1], 10, 0.1) == 1
    smaller = Standing(9, 5, 2, plain=False)
    assert best([cleaner, smaller], [0, 1], 10, 0.1) == 1
    assert best([smaller, smaller], [0, 1], 10, 0.1) == 0
    assert best([cleaner, robust], [0, 1], 10, 0.0) == 0, "out of the margin, so no tie"


def test_without_plain_transfer_there_is_no_choice() -> None:
    with pytest.raises(ValueError, match="empty"):
        choose([Standing(3, 2, 1, plain=False)], 5, 0.01)


@given(FOUND, st.integers(0, 1000))
def test_wider_margins_against_trying_them_all(found: list[Standing], thousandths: int) -> None:
    everyone = range(len(found))
    taken, steps = best(found, everyone, N, thousandths / 1000), []
    for margin in (other / 1000 for other in range(thousandths + 1, 1001)):
        if (other := best(found, everyone, N, margin)) != taken:
            steps.append((margin, other))
            taken = other
    assert wider(found, N, thousandths / 1000) == steps
