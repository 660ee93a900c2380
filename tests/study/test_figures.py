from __future__ import annotations

from cartl_core.plots.canvas import files
from study.book import Book, book_of
from study.figures import drawings
from study.plan import Plan


def test_each_pair_with_rows_gets_its_figures_and_equal_rows_equal_bytes(finished: Book) -> None:
    drawn = dict(drawings(finished))
    assert set(drawn) == {"study-frontier-digits-0", "study-scale-digits"}
    for stem, draw in drawn.items():
        first, again = files(stem, draw), files(stem, draw)
        assert [picture.content for picture in first] == [picture.content for picture in again]
        assert first[0].content.startswith(b"<?xml")


def test_nothing_is_drawn_of_what_was_not_run(plan: Plan) -> None:
    assert list(drawings(book_of(plan, {"digits": []}))) == []


def test_a_line_of_the_frontier_is_a_cell(finished: Book) -> None:
    figure = dict(drawings(finished))["study-frontier-digits-0"]()
    assert figure is not None
    way = figure.axes[0]
    epochs = [line for line in way.lines if len(line.get_xdata()) > 1]
    cells = finished.cells("digits", 0)
    drawn = [
        [tuple(point) for point in zip(line.get_xdata(), line.get_ydata(), strict=True)] for line in epochs
    ]
    assert drawn == [[tuple(point) for point in row["validation"]] for row in cells]
