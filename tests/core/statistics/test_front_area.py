"""The area under a front against a count of the cells of a grid, and as a sweep's table and pages show it."""

from __future__ import annotations

from itertools import product

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from cartl.library.html import sweep_table_html
from cartl_core.render.markdown.sweep import render_sweep
from cartl_core.report import Validation
from cartl_core.spec.measures.attack import AttackSpec
from cartl_core.statistics.front_area import area_over_seeds, front_area
from cartl_core.statistics.proportions import wilson
from cartl_core.statistics.sweep_summary import Setting, SweepTable, Trial, pareto_front, sweep_table

CELLS = 12
Grid = st.lists(st.tuples(st.integers(0, CELLS), st.integers(0, CELLS)), max_size=9)


@given(Grid)
def test_the_area_is_the_share_of_cells_that_some_point_reaches(points: list[tuple[int, int]]) -> None:
    reached = sum(
        any(clean > across and robust > up for clean, robust in points)
        for across, up in product(range(CELLS), repeat=2)
    )
    area = front_area((clean / CELLS, robust / CELLS) for clean, robust in points)
    assert area == pytest.approx(reached / CELLS**2, abs=1e-12)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=8))
def test_points_off_the_front_change_nothing(points: list[tuple[float, float]]) -> None:
    numbered = dict(enumerate(points))
    front = [numbered[at] for at in pareto_front(numbered)]
    assert front_area(points) == pytest.approx(front_area(front), abs=1e-12)
    assert front_area(points) == pytest.approx(front_area(reversed(points)), abs=1e-12)


@pytest.mark.parametrize("point", [(1.1, 0.5), (0.5, -0.1), (float("nan"), 0.5)])
def test_what_is_no_accuracy_is_refused(point: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        front_area([(0.5, 0.5), point])


def test_only_seeds_that_have_finished_with_every_setting_count() -> None:
    first = {0: (0.9, 0.4), 1: (0.8, 0.5), 2: (0.9, 0.5)}
    second = {1: (0.6, 0.6), 2: (0.5, 0.7), 3: (1.0, 1.0)}
    found = area_over_seeds("vanilla", [first, second])
    assert found is not None
    areas = [0.8 * 0.5 + 0.6 * 0.1, 0.9 * 0.5 + 0.5 * 0.2]
    low, _ = scipy.stats.t.interval(0.95, 1, loc=sum(areas) / 2, scale=abs(areas[0] - areas[1]) / 2)
    assert (found.settings, found.seeds) == (2, (1, 2))
    assert (found.value, found.low) == pytest.approx((sum(areas) / 2, max(0.0, low)))
    assert area_over_seeds("vanilla", [first, {3: (1.0, 1.0)}]) is None
    assert area_over_seeds("vanilla", []) is None


def sweep_of_two_settings() -> SweepTable:
    attack = AttackSpec(label="validation", eps=8 / 255, step=2 / 255, steps=10)
    figures = {(2, 0): (90, 40), (3, 0): (80, 60), (2, 1): (92, 40), (3, 1): None}
    trials = [
        Trial(
            job=f"{k}-{seed}",
            setting=Setting(method="vanilla", freeze_depth=5 - k, k=k, beta=None, fdm_weight=None),
            seed=seed,
            ended=True,
            validation=None
            if found is None
            else Validation(clean=wilson(found[0], 100), robust=wilson(found[1], 100), attack=attack),
        )
        for (k, seed), found in figures.items()
    ]
    return sweep_table(trials, 0.01)


def test_a_sweep_has_one_area_for_each_method_and_every_view_shows_it() -> None:
    table = sweep_of_two_settings()
    (area,) = table.areas
    assert (area.method, area.settings, area.seeds, area.low) == ("vanilla", 2, (0,), None)
    assert area.value == pytest.approx(0.9 * 0.4 + 0.8 * 0.2)
    assert "area under its front" in render_sweep(table, None)
    assert "| 0.520 | 2 | 1 |" in render_sweep(table, None)
    assert "<td>0.520</td>" in sweep_table_html(table)
    assert SweepTable.model_validate_json(table.model_dump_json()) == table
