"""The table of a sweep against other implementations: scipy for intervals, brute force for the choice."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from cartl_core.render.markdown.sweep import render_sweep
from cartl_core.report import Validation
from cartl_core.spec.measures.attack import AttackSpec
from cartl_core.statistics.checkpoint_selection import by_preference
from cartl_core.statistics.intervals import mean_interval, t_quantile
from cartl_core.statistics.proportions import wilson
from cartl_core.statistics.sweep_summary import (
    Setting,
    SettingRow,
    SweepTable,
    Trial,
    over_seeds,
    pareto_front,
    sweep_table,
)

ATTACK = AttackSpec(label="validation", eps=8 / 255, step=2 / 255, steps=10)
Points = st.dictionaries(
    st.integers(0, 30),
    st.tuples(st.sampled_from(np.linspace(0, 1, 7).tolist()), st.floats(0, 1)),
    max_size=12,
)


def trial(method: Any, seed: int, right: int, held: int, **changes: Any) -> Trial:
    """Of 100 validation images so many; of 200 test images twice as many less ten."""
    known: dict[str, Any] = {
        "job": f"{method}-{seed}",
        "setting": Setting(method=method, freeze_depth=2, k=3, beta=None, fdm_weight=None),
        "seed": seed,
        "ended": True,
        "validation": Validation(clean=wilson(right, 100), robust=wilson(held, 100), attack=ATTACK),
        "clean": wilson(2 * right - 10, 200),
        "robust": wilson(2 * held - 10, 200),
    }
    return Trial(**(known | changes))


def unfinished(method: str, seed: int, *, ended: bool = False) -> Trial:
    return trial(method, seed, 50, 50, ended=ended, validation=None, clean=None, robust=None)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 30, 99])
@pytest.mark.parametrize("probability", [0.001, 0.25, 0.5, 0.9, 0.975, 0.9995])
def test_quantiles_of_student_are_those_of_scipy(freedom: int, probability: float) -> None:
    expected = scipy.stats.t.ppf(probability, freedom)
    assert t_quantile(probability, freedom) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_interval_over_seeds_is_the_textbooks(values: list[float], confidence: float) -> None:
    mean, low, high = mean_interval(values, confidence)
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    if error < 1e-9:
        assert low == pytest.approx(high, abs=1e-6)
        return
    expected = scipy.stats.t.interval(confidence, len(values) - 1, np.mean(values), error)
    assert (mean, low, high) == pytest.approx((np.mean(values), *expected))


@pytest.mark.parametrize(("values", "confidence"), [([], 0.95), ([0.5], 0.95), ([0.1, 0.2], 1.0)])
def test_there_is_no_interval_over_one_seed(values: list[float], confidence: float) -> None:
    with pytest.raises(ValueError, match=r"at least 2|between 0 and 1"):
        mean_interval(values, confidence)


def test_one_seed_has_its_own_interval_and_several_have_students() -> None:
    alone = over_seeds([wilson(37, 50)])
    one = wilson(37, 50)
    assert (alone.value, alone.low, alone.high, alone.seeds, alone.images) == (
        one.value,
        one.low,
        one.high,
        1,
        50,
    )
    assert alone.interval == "wilson"
    several = over_seeds([wilson(30, 50), wilson(35, 50), wilson(60, 60)])
    values = [0.6, 0.7, 1.0]
    half = scipy.stats.t.ppf(0.975, 2) * np.std(values, ddof=1) / np.sqrt(3)
    assert several.value == pytest.approx(np.mean(values))
    assert several.low == pytest.approx(np.mean(values) - half)
    assert several.high == 1.0 < np.mean(values) + half, "cut at what an accuracy can be"
    assert (several.interval, several.seeds, several.images) == ("t", 3, 50)


def dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] >= other[0] and one[1] >= other[1] and one != other


@given(Points)
def test_the_front_is_what_nobody_dominates(points: dict[int, tuple[float, float]]) -> None:
    brute = {at for at in points if not any(dominates(points[other], points[at]) for other in points)}
    assert pareto_front(points) == brute


@given(Points, st.sampled_from([0.0, 0.01, 0.2, 1.0]))
def test_the_best_is_the_most_robust_within_the_margin(
    points: dict[int, tuple[float, float]], margin: float
) -> None:
    best = next(iter(by_preference(points, margin)), None)
    if not points:
        assert best is None
        return
    assert best is not None
    cleanest = max(clean for clean, _ in points.values())
    near = [at for at, (clean, _) in points.items() if clean >= cleanest - margin - 1e-9]
    assert best in near
    assert points[best][1] == max(points[at][1] for at in near)
    assert best in pareto_front(points)


def test_equal_ones_stay_on_the_front_and_the_earlier_is_best() -> None:
    points = {3: (0.9, 0.5), 1: (0.9, 0.5), 2: (0.8, 0.5)}
    assert pareto_front(points) == {1, 3}
    assert by_preference(points, 0.0)[0] == 1


def test_rows_are_settings_over_seeds() -> None:
    found = sweep_table(
        [trial("vanilla", 0, 90, 40), trial("cartl", 0, 88, 50), trial("vanilla", 1, 92, 44)], 0.01
    )
    plain, cartl = found.rows
    assert (plain.jobs, plain.seeds) == (("vanilla-0", "vanilla-1"), (0, 1))
    assert plain.validation is not None and cartl.validation is not None
    assert plain.validation.robust.value == pytest.approx(0.42)
    assert (plain.validation.robust.interval, cartl.validation.robust.interval) == ("t", "wilson")
    assert found.warnings == (
        "The settings have different numbers of finished seeds, so their means are not equally certain.",
    )


def chosen(found: SweepTable) -> list[tuple[bool, bool, bool]]:
    return [(row.best, row.on_front, row.test is not None) for row in found.rows]


def test_test_figures_are_shown_of_what_was_chosen_alone() -> None:
    trials = [
        trial("vanilla", 0, 90, 40),
        trial("cartl", 0, 89, 50),
        trial("neft", 0, 80, 70),
        trial("lwf", 0, 79, 60),
    ]
    found = sweep_table(trials, 0.01)
    assert found.complete
    assert chosen(found) == [
        (False, True, True),
        (True, True, True),
        (False, True, True),
        (False, False, False),
    ]
    assert chosen(sweep_table(trials, 0.2))[2] == (True, True, True)
    best = found.rows[1].test
    assert best is not None
    assert best.robust.value == pytest.approx(0.45)
    # While anything may still come, nothing of the test is told.
    before = sweep_table([*trials, unfinished("adversarial", 0)], 0.01)
    assert not before.complete
    assert {row.test for row in before.rows} == {None}
    assert before.rows[1].best


def test_the_test_never_decides() -> None:
    """Whatever the test says, the choice is the same."""
    figures = product([wilson(0, 200), wilson(200, 200)], repeat=2)
    tables = [
        sweep_table([trial("vanilla", 0, 90, 40, robust=one), trial("cartl", 0, 90, 50, robust=other)], 0.01)
        for one, other in figures
    ]
    assert [[row.best for row in table.rows] for table in tables] == [[False, True]] * 4


def test_what_failed_is_said() -> None:
    found = sweep_table([trial("cartl", 0, 90, 40), unfinished("cartl", 1, ended=True)], 0.01)
    (row,) = found.rows
    assert (row.failed, row.unfinished, row.seeds) == (1, 0, (0,))
    assert found.complete
    assert found.warnings == ("Some jobs ended without a figure; the means are over the others.",)


def test_different_attacks_are_said() -> None:
    other = Validation(
        clean=wilson(90, 100), robust=wilson(50, 100), attack=ATTACK.model_copy(update={"steps": 2})
    )
    found = sweep_table([trial("cartl", 0, 90, 40), trial("adversarial", 0, 90, 40, validation=other)], 0.01)
    assert len(found.attacks) == 2
    assert "not strictly comparable" in found.warnings[0]


def test_nothing_is_chosen_of_nothing() -> None:
    found = sweep_table([unfinished("cartl", 0), unfinished("vanilla", 0)], 0.01)
    assert [(row.best, row.on_front, row.validation) for row in found.rows] == [(False, False, None)] * 2


def rows_of(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if "|" in line
    ]


def test_the_table_as_markdown() -> None:
    found = sweep_table(
        [trial("vanilla", 0, 90, 40), trial("cartl", 0, 80, 30), trial("cartl", 1, 80, 30)], 0.01
    )
    text = render_sweep(found, "a|b <i>")
    plain, cartl = rows_of(text.partition("area under")[0])[3:5]
    assert plain[0] == "plain transfer"
    assert plain[8] == "best and front"
    assert plain[9].startswith("85.0 % (")
    assert cartl[0] == "CARTL"
    assert cartl[7] == "30.0 % (30.0 to 30.0)"
    assert cartl[-2:] == ["\u2013", "\u2013"]
    assert "<i>" not in text
    assert "Student's" in text and "Wilson's" in text
    assert "eps 8/255, 10 steps" in text


def test_a_row_says_of_how_many_seeds_it_is() -> None:
    found = sweep_table([trial("cartl", 0, 90, 40), unfinished("cartl", 1)], 0.01)
    assert isinstance(found.rows[0], SettingRow)
    assert "| 1 of 2 |" in render_sweep(found, None)
    assert "no test figure is shown yet" in render_sweep(found, None)
