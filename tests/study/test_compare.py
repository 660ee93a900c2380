from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartl_core.statistics import mcnemar
from study.compare import accuracy, best_on_test, choose, chosen_validation, difference
from study.tune import chosen_epoch

SHARES = st.integers(0, 20).map(lambda share: share / 20)
FRONTIERS = st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=8)


def cell(frontier: list[tuple[float, float]], fate: str = "0123999", **facts: Any) -> dict[str, Any]:
    """A row with one outcome, at the epoch that the rule chooses."""
    chosen = chosen_epoch(frontier, 0.01)
    clean = "".join("0" if digit == "0" else "1" for digit in fate)
    outcome = {"clean": clean, "fate": fate, "attacks": ["pgd20", "pgd100", "margin100"]}
    row = {"pair": "a", "seed": 0, "cell": "c", "validation": [list(point) for point in frontier]}
    return {**row, "chosen": chosen, "outcomes": {str(chosen): outcome}, **facts}


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
def test_the_chosen_cell_is_the_most_robust_of_those_that_are_clean_enough(
    frontiers: list[list[tuple[float, float]]],
) -> None:
    pool = [cell(frontier) for frontier in frontiers]
    chosen = choose(pool, 0.1)
    assert chosen is not None
    points = [chosen_validation(row) for row in pool]
    best = max(clean for clean, _ in points)
    assert chosen_validation(chosen)[1] == max(robust for clean, robust in points if clean >= best - 0.1)


def test_a_level_that_nobody_reaches_leaves_the_cleanest() -> None:
    pool = [cell([(0.5, 0.4)]), cell([(0.6, 0.1)])]
    assert choose(pool, 0.01, least=0.9) is pool[1]
    assert choose(pool, 0.01, least=0.5) is pool[0]
    assert choose([], 0.01) is None


def test_accuracies_are_of_the_digits() -> None:
    row = cell([(1.0, 1.0)], fate="0012399999")
    shares = {attack: accuracy(row, attack) for attack in (None, "pgd20", "pgd100", "margin100")}
    assert shares == {None: 0.8, "pgd20": 0.7, "pgd100": 0.6, "margin100": 0.5}


def test_an_attack_that_was_not_run_has_no_accuracy() -> None:
    row = cell([(1.0, 1.0)])
    row["outcomes"]["1"]["attacks"] = ["pgd20"]
    with pytest.raises(ValueError, match="pgd100"):
        accuracy(row, "pgd100")


def test_cells_are_compared_image_by_image() -> None:
    ours, theirs = cell([(1.0, 1.0)], fate="9999920"), cell([(1.0, 1.0)], fate="9222299")
    found = difference(ours, theirs, "pgd100")
    # Only ours holds four images, only theirs two.
    assert (found.value, found.n, found.p) == (2 / 7, 7, mcnemar(4, 2))
    back = difference(theirs, ours, "pgd100")
    assert (back.value, back.low, back.high) == (-found.value, -found.high, -found.low)


def test_cells_of_two_seeds_have_no_images_in_common() -> None:
    with pytest.raises(ValueError, match="no images in common"):
        difference(cell([(1.0, 1.0)]), cell([(1.0, 1.0)], seed=1), None)


def test_the_end_of_the_grid_looks_at_test_images_alone() -> None:
    pool = [
        cell([(0.9, 0.9)], fate="0000299"),
        cell([(0.1, 0.1)], fate="1111999"),
        cell([(1, 1)], fate="2222299"),
    ]
    assert best_on_test(pool, 0.01) is pool[1]
    assert best_on_test([], 0.01) is None
