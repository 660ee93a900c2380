"""The HTML face: well formed, self-contained, hostile text stays text, every figure with its n."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from cartl_core.render import numbers
from cartl_core.render.evidence import document
from cartl_core.render.figure import Picture
from cartl_core.render.html import render
from cartl_core.report import Interval, Report
from cartl_core.report.notices import OtherNotice
from cartl_core.spec import digest
from cartl_core.spec.visible_text import visible
from tests.fixtures.pages import VOID
from tests.fixtures.reports import HOSTILE, arm_of, figures_of, full_report, spec_of, with_evidence

FORBIDDEN = {"script", "link", "iframe", "object", "embed", "form", "base", "audio", "video"}
STYLE = files("cartl_core.render.html").joinpath("style.css").read_text()


class Page(HTMLParser):
    """Reads a page as strictly as XML: what is opened is closed, in order."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.ids: list[str] = []
        self.text = ""
        self.sections: list[str] = [""]
        self.feed(markup)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag in ("section", "header"):
            self.sections.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
            self.sections[-1] += data


def picture(name: str) -> Picture:
    return Picture(name, "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>")


PICTURES = {
    name: picture(name)
    for name in ("per-class.svg", "curve.svg", "worst-images.png", "audit.svg", "history.svg")
}


def page_of(report: Report, **pictures: Picture) -> Page:
    return Page(render(report, {**PICTURES, **pictures}))


def test_a_page_is_well_formed_and_names_its_parts() -> None:
    page = page_of(full_report())
    assert page.tags[0] == "html"
    assert page.tags.count("h1") == 1
    assert len(page.ids) == len(set(page.ids))
    named = [value for _, name, value in page.attributes if name == "aria-labelledby"]
    assert set(named) <= set(page.ids)
    assert page.tags.count("th") > page.tags.count("tr"), "rows and columns have headers"
    scopes = [value for tag, name, value in page.attributes if (tag, name) == ("th", "scope")]
    assert len(scopes) == page.tags.count("th")


def test_nothing_is_loaded_and_nothing_runs() -> None:
    page = page_of(full_report())
    assert FORBIDDEN.isdisjoint(page.tags)
    for _, name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "action", "poster", "srcset", "data"):
            assert value.startswith(("data:image/", "#"))
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    assert "@font-face" not in STYLE


def test_every_picture_is_described_and_carries_its_evidence() -> None:
    page = page_of(full_report())
    images = page.tags.count("img")
    assert images
    said = [value for tag, name, value in page.attributes if (tag, name) == ("img", "alt")]
    assert len(said) == images == page.tags.count("figcaption")
    evidence = [
        ("eps 0 to 16/255", "step 0.125 of eps", "20 steps", "1 random restart", "95\u00a0% Wilson"),
        ("eps 8/255", "step 2/255", "20 and 100 steps", "2 restarts", "95\u00a0% Wilson"),
        ("eps 8/255", "step 2/255", "40 steps", "1 restart", "no interval"),
    ]
    *attacked, proven, way = said
    for alt, parts in zip(attacked, evidence, strict=True):
        for part in (*parts, "n = 200", "PGD", "linf", "seed 7"):
            assert part in alt
    assert "proven for every input, so without n, attack or seed" in proven
    assert "under pgd20, n = 180" in proven
    assert "80 validation images, 64 of them attacked (PGD-10, eps 8/255)" in way
    assert "Seed 0; validation images, not test images" in way


def without_classes(report: Report) -> Report:
    """Class by class only the job's own student is shown with all that is known of it."""

    def plain(measured: Any) -> Any:
        return measured.model_copy(update={"figures": measured.figures.model_copy(update={"per_class": ()})})

    return report.model_copy(
        update={
            "teachers": tuple(map(plain, report.teachers)),
            "baselines": tuple(map(plain, report.baselines)),
        }
    )


def intervals(value: Any) -> Iterator[Interval]:
    if isinstance(value, Interval):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from intervals(getattr(value, name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from intervals(item)
    elif isinstance(value, dict):
        yield from intervals(list(value.values()))


def test_every_proportion_stands_with_its_interval_and_its_n() -> None:
    report = without_classes(full_report())
    sections = page_of(report).sections
    found = list(intervals(report))
    assert len(found) > 20
    for figure in found:
        bounds = f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"
        assert any(
            bounds in part and numbers.percent(figure.value) in part and numbers.count(figure.n) in part
            for part in sections
        )


def test_what_to_be_wary_of_comes_before_any_figure() -> None:
    said = page_of(full_report()).text
    assert said.index("400 of about 719 training") < said.index("Accuracy without an attack")
    assert said.index("Read this first") < said.index("side by side")


def hostile_report(words_: str) -> Report:
    report = full_report()
    assert report.student is not None
    named = figures_of(180, 120)
    rows = tuple(row.model_copy(update={"name": words_}) for row in named.per_class)
    named = named.model_copy(update={"per_class": rows, "data": words_})
    changed = report.model_copy(
        update={
            "warnings": (OtherNotice(text=words_),),
            "student": arm_of("cartl", named, settings=words_, tuned_layer_norms={words_: 0.5}),
            "seconds": {words_: 3.0},
        }
    )
    return with_evidence(changed)


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40))
def test_whatever_a_name_is_the_page_stays_as_it_was(name: str) -> None:
    harmless, odd = page_of(hostile_report("harmless")), page_of(hostile_report(name))
    assert odd.tags == harmless.tags
    kinds = [(tag, attribute) for tag, attribute, _ in harmless.attributes]
    assert [(tag, attribute) for tag, attribute, _ in odd.attributes] == kinds
    assert visible(name) in odd.text


@pytest.mark.parametrize(
    "name", [HOSTILE, "</style><script>x</script>", "<!--", "]]>", "&lt;b&gt;", '" onload="x']
)
def test_markup_in_names_is_shown_not_obeyed(name: str) -> None:
    page = page_of(hostile_report(name))
    assert "script" not in page.tags
    assert page.text.count(name) >= 4


def test_the_name_of_a_job_is_text() -> None:
    page = page_of(full_report(name=HOSTILE))
    assert HOSTILE in page.text
    assert "script" not in page.tags


def test_a_report_with_nothing_known_says_that_it_is_not_complete() -> None:
    spec = spec_of()
    page = page_of(Report(complete=False, spec=spec, spec_digest=digest(spec)))
    assert "Not complete" in page.text
    assert "%" not in page.text
    partial = Report(complete=False, spec=spec, spec_digest=digest(spec), student=arm_of("cartl", None))
    assert page_of(partial).text.count("not yet known") >= 2


def test_without_pictures_the_numbers_stand_in_the_open() -> None:
    alone = Page(render(full_report()))
    assert "img" not in alone.tags
    assert "details" not in alone.tags
    assert "<i>seven</i>" in alone.text


def test_the_evidence_is_on_the_page_and_calls_itself_no_verdict() -> None:
    report = full_report()
    shown = document(report)
    assert shown is not None
    said = page_of(report).text
    assert "Evidence, not a verdict" in said
    for item in shown.items:
        assert item.title in said
        assert all(limit in said for limit in item.limits)
    for gap in shown.gaps:
        assert gap.words in said


def test_checks_that_failed_stand_at_the_top_in_words_and_in_red() -> None:
    report = full_report()
    markup, said = render(report), page_of(report).text
    assert said.index("A check failed") < said.index("Read this first")
    assert said.index("Read this first") < said.index("Accuracy without an attack")
    failed = "A check of CARTL failed (More steps break no more images): pgd100 breaks 3.1 points more"
    assert said.count(failed) == 1
    assert '<span class="status failed">\u2717 failed</span>' in markup
    assert markup.count('<span class="status passed">') == 2
    honest = arm_of("cartl", figures_of(180, 120))
    assert "check failed" not in page_of(with_evidence(report.model_copy(update={"student": honest}))).text


def test_what_is_proven_and_what_is_measured_are_told_apart() -> None:
    said = page_of(full_report()).text
    assert "1 of its 4 layers are not proven non-expansive. Vacuous: no image is certified at" in said
    for number in ("1.75", "1,234", "0.921", "0.913", "3.17"):
        assert number in said
    assert "The last column is empirical" in said
    assert "is of that classifier, not of the exported network" in said
