from __future__ import annotations

import numpy as np
from matplotlib.text import Annotation

from cartl_core.render.plots.canvas import files
from study import ablations
from study.compare import HEADLINE, accuracy, last
from study.figures import drawings
from study.plan import Plan
from study.study_results import StudyResults, read_results, results_of

FAR = ("vanilla-far", "turned-mild-far")


def test_each_pair_with_rows_gets_its_figures_and_equal_rows_equal_bytes(finished: StudyResults) -> None:
    drawn = dict(drawings(finished))
    assert set(drawn) == {"study-frontier-digits-0", "study-scale-digits"}
    for stem, draw in drawn.items():
        first, again = files(stem, draw), files(stem, draw)
        assert [picture.content for picture in first] == [picture.content for picture in again]
        assert first[0].content.startswith(b"<?xml")


def test_nothing_is_drawn_of_what_was_not_run(plan: Plan) -> None:
    assert list(drawings(results_of(plan, {"digits": []}))) == []


def test_a_line_of_the_frontier_is_a_cell(finished: StudyResults) -> None:
    figure = dict(drawings(finished))["study-frontier-digits-0"]()
    assert figure is not None
    way = figure.axes[0]
    epochs = [line for line in way.lines if np.size(line.get_xdata()) > 1]
    cells = finished.cells("digits", 0)
    drawn = [
        list(zip(np.asarray(line.get_xdata()), np.asarray(line.get_ydata()), strict=True)) for line in epochs
    ]
    assert drawn == [[tuple(point) for point in row["validation"]] for row in cells]


def test_each_explanation_has_its_figure_and_an_arrow_ends_where_the_other_teacher_leads() -> None:
    """Of the committed rows: one pair has every choice by itself, and all have a farther teacher."""
    results = read_results()
    drawn = dict(ablations.drawings(results))
    assert set(drawn) == {"study-why-fashion-high-low", "study-farther"}
    panels = drawn["study-why-fashion-high-low"]().axes
    assert [axes.get_title() for axes in panels] == list(ablations.EXPLANATIONS)
    for axes, named in zip(panels, ablations.EXPLANATIONS.values(), strict=True):
        assert axes.get_legend_handles_labels()[1] == ["plain", *named.values()]
    panel = next(axes for axes in drawn["study-farther"]().axes if axes.get_title() == "fashion-high-low")
    ends = [
        tuple(100 * accuracy(last(row), attack) for attack in (None, HEADLINE))
        for pair, seed in results.everywhere()
        for row in results.of_seed(pair, seed).cells(pair, seed)
        if pair == "fashion-high-low" and row["k"] == ablations.FARTHER_K and row["method"] in FAR
    ]
    arrows = [text for text in panel.texts if isinstance(text, Annotation)]
    assert len(arrows) == len(panel.texts)
    assert sorted(arrow.xy for arrow in arrows) == sorted(ends)
