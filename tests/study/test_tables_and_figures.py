from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Annotation

from cartl_core.render.plots.canvas import files
from study import ablations
from study.compare import HEADLINE, accuracy, last, own
from study.compared import unevaluated, unweighed
from study.evaluation import robust_images
from study.figures import drawings
from study.marks import NOT_RUN
from study.plan import Plan, cells, once_more
from study.rows import (
    RESULTS,
    evaluations,
    radius_rows,
    read_rows,
    strongest,
    students,
)
from study.runner import StudyRunner
from study.strongest import IMAGES, ensemble_evaluation, unattacked
from study.study_results import StudyResults, read_results, results_of
from study.tables import PAGES, TABLES, filled

ENSEMBLE = ("apgd-ce", "apgd-dlr", "apgd-t", "fab-t", "square")


def test_the_pages_hold_the_tables_that_the_rows_give() -> None:
    results, shown = read_results(), list[str]()
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text()
        shown += re.findall(r"<!-- table (\S+) -->", text)
        assert filled(text, results) == text, f"{page.name}; run: python -m study.tables"
    assert sorted(shown) == sorted(TABLES), "each table stands on one page, once"


def test_the_first_page_has_one_table_and_one_figure_and_its_limits() -> None:
    text = (PAGES / "index.md").read_text()
    assert re.findall(r"<!-- table (\S+) -->", text) == ["summary"]
    assert re.findall(r"!\[[^]]+\]\(([^)]+)\)", text) == ["../figures/study-summary.svg"]
    assert "\n## Limitations\n" in text


def test_every_row_is_of_the_committed_plan() -> None:
    results = read_results()
    assert {path.stem for path in RESULTS.glob("*.jsonl")} <= set(results.pairs())
    for pair in results.pairs():
        rows = read_rows(pair)
        names = [row["cell"] for row in students(rows)]
        assert len(set(names)) == len(names)
        assert {row["cell"] for row in [*evaluations(rows), *radius_rows(rows)]} <= set(names)
        assert len({row["cell"] for row in radius_rows(rows)}) == len(radius_rows(rows))
        planned = (results.plan, once_more(results.plan))
        assert set(names) <= {cell.name for plan in planned for cell in cells(plan, pair)}


def test_what_was_not_run_is_said_to_be(plan: Plan) -> None:
    empty = results_of(plan, {"digits": []})
    assert NOT_RUN in TABLES["main"](empty)
    assert NOT_RUN in TABLES["cells"](empty)
    assert "| all | 0 | 2 |" in TABLES["progress"](empty)


def test_every_table_can_be_made_from_finished_cells(finished: StudyResults) -> None:
    made = {name: table(finished) for name, table in TABLES.items()}
    assert "| all | 2 | 2 |" in made["progress"]
    assert NOT_RUN not in made["main"]
    assert made["main"].count("\n") == 2
    assert made["cells"].count("\n") == 3
    plain = finished.baseline("digits", 0)
    assert plain is not None
    assert f"{100 * accuracy(plain, 'pgd100'):.1f}" in made["main"]
    assert made["nearest"].count("\n") == made["first-rule"].count("\n") == made["auto"].count("\n") == 2


def test_an_exam_adds_to_its_cell_and_to_no_other(finished: StudyResults) -> None:
    rows = [{**row, "outcomes": {}} if row["kind"] == "cell" else row for row in finished.rows["digits"]]
    first, second = students(rows)
    outcome = students(finished.rows["digits"])[0]["outcomes"]["2"]
    evaluation = {"kind": "exam", "cell": first["cell"], "epoch": first["chosen"], "outcome": outcome}
    found = {
        row["cell"]: row
        for row in students(results_of(finished.plan, {"digits": [*rows, evaluation]}).rows["digits"])
    }
    assert own(found[first["cell"]]).outcome == outcome
    assert own(found[second["cell"]]).outcome is None


def test_every_candidate_of_auto_was_weighed(finished: StudyResults) -> None:
    assert list(unweighed(finished, "digits", 0)) == []
    rows = [row for row in finished.rows["digits"] if row["kind"] != "standing"]
    bare = results_of(finished.plan, {"digits": rows})
    assert [point.same_as for point in unweighed(bare, "digits", 0)] == [
        own(row).same_as for row in finished.candidates("digits", 0)
    ]
    assert bare.automatic("digits", 0) is None


def test_nothing_that_is_compared_is_left_unexamined(finished: StudyResults) -> None:
    assert list(unevaluated(finished, "digits", 0)) == []
    bare = [{**row, "outcomes": {}} for row in finished.rows["digits"]]
    left = {
        point.same_as: attacks
        for point, attacks in unevaluated(results_of(finished.plan, {"digits": bare}), "digits", 0)
    }
    chosen = [finished.baseline("digits", 0), finished.best("digits", 0), finished.automatic("digits", 0)]
    assert all(left[point.same_as] == 3 for point in chosen if point is not None)
    # Of the first seed every cell at its own epoch too, for the end of the grid.
    assert {own(row).same_as for row in finished.cells("digits", 0)} <= set(left)


def test_the_ensemble_leaves_no_more_than_pgd_and_sees_each_choice_once(finished: StudyResults) -> None:
    assert unattacked(finished, "digits", 0) == []
    found = strongest(finished.rows["digits"])
    points = [(row["cell"], row["epoch"]) for row in found]
    assert len(set(points)) == len(points) > 0
    for row in found:
        assert row["outcome"]["attacks"] == ["pgd100", *(f"en-{kind}" for kind in ENSEMBLE)]
        shares = [sum(robust_images(row["outcome"], attack)) for attack in (None, *row["outcome"]["attacks"])]
        assert shares == sorted(shares, reverse=True)
    baseline = finished.baseline("digits", 0)
    assert baseline is not None
    assert f"{baseline.row['method']}, k 2, epoch {baseline.epoch} | 16 |" in TABLES["strongest"](finished)


def test_the_ensemble_sees_every_class_however_the_data_set_is_ordered(runner: StudyRunner) -> None:
    evaluation = runner.task("digits", 0).evaluation
    order = evaluation.images.labels[: evaluation.attacked].argsort(stable=True)
    sorted_by_class = replace(evaluation, images=evaluation.images.at(order))
    seen = ensemble_evaluation(sorted_by_class, runner.plan.pairs["digits"], classes=5)
    counts = seen.images.labels.bincount().tolist()
    assert seen.attacked == len(seen.images) == min(IMAGES, evaluation.attacked) == sum(counts)
    assert max(counts) - min(counts) <= 1


def test_points_that_saw_other_images_are_not_compared(finished: StudyResults) -> None:
    table = TABLES["strongest"](finished)
    assert re.search(r"\| [+-]\d+\.\d \(", table)
    rows = {
        "digits": [
            row | {"drawn": row["cell"]} if row["kind"] == "strongest" else row
            for row in finished.rows["digits"]
        ]
    }
    assert not re.search(r"\| [+-]\d+\.\d \(", TABLES["strongest"](replace(finished, rows=rows)))


def test_a_table_that_does_not_exist_is_an_error(plan: Plan) -> None:
    with pytest.raises(KeyError):
        filled("<!-- table none -->\n<!-- end -->", results_of(plan, {"digits": []}))


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
