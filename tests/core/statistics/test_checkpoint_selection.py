"""The epoch that is kept, against brute force over random histories."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartl_core.spec.training import Selection
from cartl_core.statistics.checkpoint_selection import CLEAN, ROBUST, chosen, contenders

N = 20
"""Images: accuracies are counts over few, so that ties and edges of the margin are frequent."""
RULES: tuple[Selection, ...] = ("last", "best_clean", "best_robust", "pareto")

counts = st.integers(0, N)
courses = st.lists(st.tuples(counts, counts), min_size=1, max_size=9)
margins = st.integers(0, N)


def history(course: list[tuple[int, int]]) -> list[dict[str, float]]:
    return [{CLEAN: clean / N, ROBUST: robust / N} for clean, robust in course]


def by_hand(course: list[tuple[int, int]], margin: int) -> int:
    """The rule in whole images: no rounding, no sorting."""
    best = max(clean for clean, _ in course)
    found = None
    for epoch, (clean, robust) in enumerate(course, start=1):
        if clean < best - margin:
            continue
        if found is None or (robust, clean) > (course[found - 1][1], course[found - 1][0]):
            found = epoch
    assert found is not None
    return found


@given(courses, margins)
def test_pareto_is_the_most_robust_near_the_best(course: list[tuple[int, int]], margin: int) -> None:
    assert chosen(history(course), "pareto", margin / N) == by_hand(course, margin)


@given(courses, margins)
def test_the_chosen_epoch_is_on_the_front(course: list[tuple[int, int]], margin: int) -> None:
    """No epoch of the whole run is better in one figure and as good in the other."""
    clean, robust = course[chosen(history(course), "pareto", margin / N) - 1]
    assert not any(c >= clean and r >= robust and (c, r) != (clean, robust) for c, r in course)


@given(courses, courses, margins, st.sampled_from(RULES))
def test_no_future_chooses_what_was_dropped(
    begun: list[tuple[int, int]], future: list[tuple[int, int]], margin: int, select: Selection
) -> None:
    """Whatever comes after, the chosen epoch is still to come, the last, or among those kept."""
    kept = contenders(history(begun), select, margin / N)
    epoch = chosen(history(begun + future), select, margin / N)
    assert epoch in kept or epoch > len(begun)


@given(courses, margins)
def test_nothing_is_kept_in_vain(course: list[tuple[int, int]], margin: int) -> None:
    """Every contender wins in some future: a next epoch pushes the less accurate ones out of the margin.

    So that one always can, it may be more accurate than all images and less robust than none.
    """
    kept = contenders(history(course), "pareto", margin / N)
    for epoch in kept:
        futures = [[], *([(clean, -1)] for clean in range(2 * N + 1))]
        assert any(by_hand([*course, *future], margin) == epoch for future in futures)


@given(courses, st.tuples(counts, counts), margins, st.sampled_from(RULES))
def test_contenders_only_ever_leave(
    course: list[tuple[int, int]], following: tuple[int, int], margin: int, select: Selection
) -> None:
    """So their weights need not be made again."""
    before = contenders(history(course), select, margin / N)
    after = contenders(history([*course, following]), select, margin / N)
    assert set(after) <= {*before, len(course) + 1}


@pytest.mark.parametrize(("select", "epoch"), [("last", 4), ("best_clean", 2), ("best_robust", 1)])
def test_last_best_clean_and_best_robust_choose_their_epoch(select: Selection, epoch: int) -> None:
    rows = history([(5, 9), (8, 3), (8, 4), (2, 9)])
    assert chosen(rows, select, 0.0) == epoch
    assert contenders(rows, select, 0.0) == (() if select == "last" else (epoch,))


def test_the_edge_of_the_margin_is_inside() -> None:
    """0.91 - 0.01 is more than 0.9 in floating point; nobody loses an epoch to that."""
    rows = [{CLEAN: 0.9, ROBUST: 0.6}, {CLEAN: 0.91, ROBUST: 0.5}]
    assert chosen(rows, "pareto", 0.01) == 1
