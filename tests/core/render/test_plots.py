"""The figures: the same bytes each time, files that can be read, nothing blank, hostile names as text."""

from __future__ import annotations

import io
import itertools
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from cartl_core.render.plots import PLOTS, draw
from cartl_core.render.plots.audit import audit
from cartl_core.render.plots.canvas import files, legend_columns
from cartl_core.render.plots.curve import curve
from cartl_core.render.plots.per_class import SHOWN, drawn_rows, per_class
from cartl_core.render.plots.selection import selection
from cartl_core.render.plots.worst_images import worst_images
from cartl_core.report import ClassResult, Report
from cartl_core.spec import digest
from cartl_core.statistics.proportions import wilson
from tests.fixtures.choosing import choosing_report
from tests.fixtures.diagnostics import GALLERY, pixels_of
from tests.fixtures.reports import HOSTILE, figures_of, full_report, spec_of

pytestmark = pytest.mark.filterwarnings("error:constrained_layout not applied")


@pytest.fixture(scope="module")
def drawn() -> dict[str, bytes]:
    return {picture.name: picture.content for picture in draw(full_report(), pixels_of(GALLERY))}


def test_charts_are_there_as_svg_and_png_and_photographs_as_png(drawn: dict[str, bytes]) -> None:
    charts = {f"{stem}.{kind}" for stem in PLOTS if stem != "selection" for kind in ("svg", "png")}
    assert set(drawn) == {*charts, "worst-images.png"}
    assert {"curve.svg", "per-class.svg"} <= charts


def test_svgs_are_xml_that_loads_nothing(drawn: dict[str, bytes]) -> None:
    for name, content in drawn.items():
        if name.endswith(".svg"):
            root = ElementTree.fromstring(content)
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            for element in root.iter():
                assert not element.tag.endswith(("}script", "}image", "}foreignObject"))
                for attribute, value in element.attrib.items():
                    if attribute.endswith("href"):
                        assert value.startswith("#")


def test_pngs_decode_and_are_not_blank(drawn: dict[str, bytes]) -> None:
    for name, content in drawn.items():
        if name.endswith(".png"):
            image = Image.open(io.BytesIO(content))
            pixels = np.asarray(image.convert("RGB"))
            assert image.width > 1000
            share_of_white = (pixels == 255).all(axis=2).mean()
            assert 0.1 < share_of_white < 0.97, name


def test_equal_reports_give_equal_bytes(drawn: dict[str, bytes]) -> None:
    again = draw(full_report(), pixels_of(GALLERY))
    assert {picture.name: picture.content for picture in again} == drawn
    assert not any(b"2026" in content for content in drawn.values()), "no date"


def test_a_report_that_knows_nothing_has_no_figures() -> None:
    spec = spec_of()
    assert draw(Report(complete=False, spec=spec, spec_digest=digest(spec))) == ()


def with_classes(*rows: ClassResult) -> Report:
    report = full_report()
    assert report.student is not None
    figures = figures_of(180, 120).model_copy(update={"per_class": rows})
    return report.model_copy(update={"student": report.student.model_copy(update={"figures": figures})})


def row(label: int, robust: int, name: str = "c", n: int = 10) -> ClassResult:
    return ClassResult(label=label, name=name, clean=wilson(min(n, 9), n), worst_case=wilson(robust, n))


def test_hostile_names_and_empty_classes_are_drawn() -> None:
    (svg, _) = files("x", lambda: per_class(with_classes(row(0, 5, HOSTILE), row(1, 0, "none", n=0))))
    assert b"<script" not in svg.content
    ElementTree.fromstring(svg.content)


def test_of_many_classes_the_least_robust_are_drawn() -> None:
    report = with_classes(*(row(label, label % 7) for label in range(100)))
    shown = drawn_rows(report)
    assert len(shown) == SHOWN
    assert [found.worst_case.successes for found in shown] == sorted(label % 7 for label in range(100))[
        :SHOWN
    ]


def test_the_curve_is_drawn_through_the_points_with_their_bands() -> None:
    figure = curve(full_report())
    assert figure is not None
    (axes,) = figure.axes
    own, rival = axes.get_lines()[:2]
    assert own.get_ydata() == pytest.approx([90.0, 75.0, 60.5, 30.0, 0.0])
    assert rival.get_ydata() == pytest.approx([92.0, 72.0, 51.0, 20.5, 0.5])
    assert own.get_xdata() == pytest.approx([4 * step / 255 for step in range(5)])
    band = axes.collections[0].get_paths()[0].get_extents()
    assert (band.ymin, band.ymax) == pytest.approx((0.0, 100 * wilson(180, 200).high))
    legend = axes.get_legend()
    assert legend is not None
    assert [label.get_text() for label in legend.get_texts()] == ["CARTL", "plain transfer"]


def test_curves_in_another_norm_are_not_drawn_into_one_figure() -> None:
    report = full_report()
    (rival,) = report.baselines
    assert rival.figures is not None
    assert rival.figures.curve is not None
    far = rival.figures.curve.model_copy(update={"norm": "l2"})
    other = rival.model_copy(update={"figures": rival.figures.model_copy(update={"curve": far})})
    figure = curve(report.model_copy(update={"baselines": (other,)}))
    assert figure is not None
    assert len(figure.axes[0].collections) == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_what_was_added_is_drawn_around_grey_and_magnified(channels: int) -> None:
    figure = worst_images(full_report(), pixels_of(GALLERY, channels))
    assert figure is not None
    assert len(figure.axes) == 3 * len(GALLERY.images)
    added = figure.axes[2].get_images()[0].get_array()
    assert added is not None
    assert np.asarray(added) == pytest.approx(0.5 + GALLERY.magnification * GALLERY.eps, abs=1e-4)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0].endswith("93.0 % sure")
    assert titles[1].startswith("taken for 7")
    assert "\u00d7 15" in titles[2]


def test_the_audit_has_a_row_for_each_layer_that_can_stretch() -> None:
    figure = audit(full_report())
    assert figure is not None
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["block3.conv1", "block3.bn2", "head"]
    bounds, norms, reshaped, one = axes.get_lines()
    assert bounds.get_xdata() == pytest.approx([0.921, 3.17, 0.6])
    assert norms.get_xdata() == pytest.approx([0.913, 0.6])
    assert norms.get_ydata() == pytest.approx([0, 2])
    assert reshaped.get_xdata() == pytest.approx([0.6, 0.6])
    assert one.get_xdata() == [1.0, 1.0]


def test_the_candidates_are_drawn_where_one_was_chosen() -> None:
    assert selection(full_report()) is None
    report = choosing_report()
    figure = selection(report)
    assert figure is not None
    (axes,) = figure.axes
    found = report.selection
    assert found is not None
    names = {line.get_label(): line for line in axes.get_lines()}
    assert {"plain transfer", "CARTL", "chosen", "best plain", "Pareto front"} <= names.keys()
    chosen, plain = found.candidates[1], found.candidates[2]
    assert (found.chosen, found.best_plain) == (2, 3)
    for label, candidate in (("chosen", chosen), ("best plain", plain)):
        assert candidate.clean is not None
        assert candidate.robust is not None
        line = names[label]
        assert np.asarray(line.get_xdata()).tolist() == [100 * candidate.clean.value]
        assert np.asarray(line.get_ydata()).tolist() == [100 * candidate.robust.value]
    front = names["Pareto front"]
    steps = sorted(zip(np.asarray(front.get_xdata()), np.asarray(front.get_ydata()), strict=True))
    assert [robust for _, robust in steps] == sorted((robust for _, robust in steps), reverse=True)
    assert len(steps) == sum(bool(candidate.on_front) for candidate in found.candidates) == 3
    assert files("selection", lambda: selection(report))[0].content.startswith(b"<?xml")
    unknown = found.model_copy(update={"chosen": None})
    assert selection(report.model_copy(update={"selection": unknown})) is None, "not before all are measured"


def test_numbers_of_candidates_that_lie_close_stay_legible() -> None:
    report = choosing_report()
    found = report.selection
    assert found is not None
    places = [(540, 300), (541, 302), (536, 301), (538, 296), (530, 304), (420, 200)]
    close = [
        found.candidates[0].model_copy(
            update={"number": number, "clean": wilson(right, 600), "robust": wilson(held, 600)}
        )
        for number, (right, held) in enumerate(places, start=8)
    ]
    figure = selection(
        report.model_copy(update={"selection": found.model_copy(update={"candidates": tuple(close)})})
    )
    assert figure is not None
    FigureCanvasAgg(figure).draw()
    labels = [text for text in figure.axes[0].texts if text.get_text()]
    assert [label.get_text() for label in labels] == ["8", "9", "10", "11", "12", "13"]
    boxes = [Text.get_window_extent(label) for label in labels]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


@pytest.mark.parametrize(("longest", "columns"), [(5, 3), (29, 3), (33, 2), (60, 1), (200, 1)])
def test_a_legend_has_as_many_columns_as_fit(longest: int, columns: int) -> None:
    assert legend_columns(["CARTL", "x" * longest], 3) == columns


def test_no_name_is_cut_off_where_one_method_stands_beside_itself() -> None:
    """Names then hold what tells them apart and are long."""
    report, told = full_report(), {"settings": "freeze_depth 2, pretrain.radii 1.5"}
    assert report.student is not None
    alike = report.model_copy(
        update={
            "student": report.student.model_copy(update=told),
            "baselines": tuple(arm.model_copy(update=told) for arm in report.baselines),
        }
    )
    for drawing in (per_class, curve):
        figure = drawing(alike)
        assert figure is not None
        figure.draw_without_rendering()
        legends = [*figure.legends, *(own for axes in figure.axes if (own := axes.get_legend()))]
        assert legends
        for legend in legends:
            box = legend.get_window_extent()
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.width
