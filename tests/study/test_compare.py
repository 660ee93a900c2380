from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartl_core.statistics.proportions import mcnemar
from study.compare import (
    Point,
    accuracy,
    best_on_test,
    choose,
    difference,
    judged,
    last,
    own,
    points_of,
)
from study.tune import chosen_epoch

SHARES = st.integers(0, 20).map(lambda share: share / 20)
FRONTIERS = st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=8)


def cell(frontier: list[tuple[float, float]], fate: str = "0123999", **facts: Any) -> dict[str, Any]:
    """A row with one outcome, at the epoch that it would stop at by itself."""
    chosen = chosen_epoch(frontier, 0.01)
    clean = "".join("0" if digit == "0" else "1" for digit in fate)
    outcome = {"clean": clean, "fate": fate, "attacks": ["pgd20", "pgd100", "margin100"]}
    row = {"pair": "a", "seed": 0, "cell": "c", "validation": [list(point) for point in frontier]}
    return {**row, "chosen": chosen, "outcomes": {str(chosen): outcome}, **facts}


def point(fate: str = "0123999", **facts: Any) -> Point:
    """A point that was examined, with this fate of its images."""
    return own(cell([(1.0, 1.0)], fate, **facts))


@given(frontier=FRONTIERS, margin=st.sampled_from([0.01, 0.1, 0.5]))
def test_no_epoch_that_is_clean_enough_is_more_robust_than_the_chosen_one(
    frontier: list[tuple[float, float]], margin: float
) -> None:
    chosen = chosen_epoch(frontier, margin)
    clean, robust = frontier[chosen - 1]
    best = max(point[0] for point in frontier)
    assert clean >= best - margin
    rivals = [point for point in frontier if point[0] >= best - margin]
    assert robust == max(point[1] for point in rivals)
    assert all(point[1] < robust or point[0] < best - margin for point in frontier[: chosen - 1])


@given(frontiers=st.lists(FRONTIERS, min_size=1, max_size=5))
def test_cell_and_epoch_are_chosen_at_once(frontiers: list[list[tuple[float, float]]]) -> None:
    """By brute force over everything that was ever reached."""
    chosen = choose(points_of(map(cell, frontiers)), 0.1)
    assert chosen is not None
    reached = [point for frontier in frontiers for point in frontier]
    best = max(clean for clean, _ in reached)
    assert chosen.robust == max(robust for clean, robust in reached if clean >= best - 0.1 - 1e-9)
    assert chosen.clean >= best - 0.1 - 1e-9


def test_an_epoch_that_its_own_cell_passes_over_may_win_among_all() -> None:
    """The reason for choosing at once: the first cell goes on to a clean accuracy that nobody asked for."""
    pool = [cell([(0.87, 0.51), (0.90, 0.46)]), cell([(0.87, 0.41), (0.80, 0.50)])]
    assert pool[0]["chosen"] == 2
    chosen = choose(points_of(pool), 0.01, least=0.86)
    assert chosen is not None
    assert (chosen.row, chosen.epoch) == (pool[0], 1)


def test_a_level_that_nobody_reaches_leaves_the_cleanest() -> None:
    pool = [own(cell([(0.5, 0.4)])), own(cell([(0.6, 0.1)]))]
    assert choose(pool, 0.01, least=0.9) is pool[1]
    assert choose(pool, 0.01, least=0.5) is pool[0]
    assert choose([], 0.01) is None


def test_a_margin_holds_the_point_that_stands_right_on_it() -> None:
    pool = [own(cell([(0.1, 0.1)])), own(cell([(0.09, 0.4)]))]
    assert 0.1 - 0.01 > 0.09
    assert choose(pool, 0.01) is pool[1]


def test_accuracies_are_of_the_digits() -> None:
    one = point("0012399999")
    shares = {attack: accuracy(one, attack) for attack in (None, "pgd20", "pgd100", "margin100")}
    assert shares == {None: 0.8, "pgd20": 0.7, "pgd100": 0.6, "margin100": 0.5}


def test_what_was_not_examined_has_no_accuracy() -> None:
    row = cell([(1.0, 1.0), (0.5, 0.5)])
    row["outcomes"]["1"]["attacks"] = ["pgd20"]
    assert judged(own(row), "pgd20")
    assert not judged(own(row), "pgd100")
    assert not judged(last(row), "pgd20")
    assert not judged(None, "pgd20")
    with pytest.raises(ValueError, match="pgd100"):
        accuracy(own(row), "pgd100")
    with pytest.raises(ValueError, match="not examined after epoch 2"):
        accuracy(last(row), None)


def test_points_are_compared_image_by_image() -> None:
    ours, theirs = point("9999920"), point("9222299")
    found = difference(ours, theirs, "pgd100")
    # Only ours holds four images, only theirs two.
    assert (found.value, found.n, found.p) == (2 / 7, 7, mcnemar(4, 2))
    back = difference(theirs, ours, "pgd100")
    assert (back.value, back.low, back.high) == (-found.value, -found.high, -found.low)


def test_points_of_two_seeds_have_no_images_in_common() -> None:
    with pytest.raises(ValueError, match="no images in common"):
        difference(point(), point(seed=1), None)


def test_the_end_of_the_grid_looks_at_test_images_alone() -> None:
    pool = [
        own(cell([(0.9, 0.9)], fate="0000299")),
        own(cell([(0.1, 0.1)], fate="1111999")),
        own(cell([(1, 1)], fate="2222299")),
    ]
    assert best_on_test(pool, 0.01) is pool[1]
    assert best_on_test([], 0.01) is None
