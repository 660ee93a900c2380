"""The figures: the same bytes each time, files that can be read, nothing blank, hostile names as text."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from cartl_core.plots import PLOTS, draw
from cartl_core.plots.canvas import files
from cartl_core.plots.per_class import SHOWN, drawn_rows, per_class
from cartl_core.report import ClassResult, Report
from cartl_core.spec import digest
from cartl_core.statistics import wilson
from tests.fixtures.reports import HOSTILE, figures_of, full_report, spec_of


@pytest.fixture(scope="module")
def drawn() -> dict[str, bytes]:
    return {picture.name: picture.content for picture in draw(full_report())}


def test_each_figure_is_there_as_svg_and_as_png(drawn: dict[str, bytes]) -> None:
    assert set(drawn) == {f"{stem}.{kind}" for stem in PLOTS for kind in ("svg", "png")}


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
            assert 0.2 < share_of_white < 0.97, name


def test_equal_reports_give_equal_bytes(drawn: dict[str, bytes]) -> None:
    assert {picture.name: picture.content for picture in draw(full_report())} == drawn
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
