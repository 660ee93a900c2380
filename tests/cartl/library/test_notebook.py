"""What a notebook shows: everything escaped, figures with intervals, bars only where somebody looks."""

from __future__ import annotations

import io
import re
import sys
from html import unescape
from html.parser import HTMLParser
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cartl import Comparison, JobReport, NotInstalled, compare
from cartl.library.html import job_html, report_html, sweep_html
from cartl.library.progress import progress
from cartl.library.values import Job, Sweep
from cartl_core.render import numbers, sentences
from cartl_core.report import Report
from cartl_core.statistics.sweep_summary import (
    Measured,
    SeedMean,
    Setting,
    SettingRow,
    SweepTable,
)
from tests.fixtures.reports import HOSTILE, full_report

URL = "http://127.0.0.1:8000"
RUNNING = Job(id="j1", state="running", name="mine", fraction=0.42, stage_label="transfer", seconds_left=75.0)


def report_of(report: Report, job: str = "j1") -> JobReport:
    text = {"headline": sentences.headline(report), "warnings": sentences.read_first(report)}
    return JobReport.model_validate({**report.model_dump(mode="json"), "job_id": job, "text": text})


class Cells(HTMLParser):
    """Texts of cells, row by row, and the tags that were met."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


def test_a_job_at_work_has_a_bar_and_a_link() -> None:
    shown = job_html(RUNNING, URL)
    assert '<progress max="1" value="0.4200"></progress> 42 %' in shown
    assert "transfer, 1 min 15 s left" in unescape(shown)
    assert f'href="{URL}/jobs/j1/report"' in shown


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_a_job_that_has_ended_says_how(state: str) -> None:
    shown = job_html(RUNNING.model_copy(update={"state": state, "reason": "why"}), URL)
    assert f"job j1 {state} - why" in shown and "<progress" not in shown


def test_a_report_has_its_figures_with_intervals() -> None:
    report = report_of(full_report())
    found = Cells(report._repr_html_())
    student = report.student
    assert student and student.figures and student.figures.worst_case
    assert len(found.rows) == 1 + 1 + len(report.baselines)
    worst = student.figures.worst_case
    assert found.rows[1][3] == f"{numbers.interval(worst)}, n = {worst.n}"
    assert "8/255" in found.rows[1][4]
    assert unescape(report._repr_html_()).count(str(report.headline)) == 1
    assert all(warning in unescape(report._repr_html_()) for warning in report.text.warnings)


@given(*[st.text() | st.just(HOSTILE)] * 4)
def test_no_text_becomes_markup(name: str, stage: str, reason: str, headline: str) -> None:
    job = RUNNING.model_copy(update={"id": name, "name": name, "stage_label": stage, "reason": reason})
    ended = job.model_copy(update={"state": "failed"})
    plain = {"div", "strong", "progress", "a"}
    assert Cells(job_html(job, URL)).tags | Cells(job_html(ended, URL)).tags <= plain
    shown = report_html(headline, [reason, stage], [], complete=True)
    assert Cells(shown).tags <= {"div", "p", "strong", "ul", "li", "table", "thead", "tbody", "tr", "th"}


def test_no_link_leaves_the_service() -> None:
    shown = job_html(RUNNING.model_copy(update={"id": '../../x" onclick="y'}), URL)
    assert re.findall(r' (\w+)="', shown) == ["max", "value", "href", "target", "rel"]
    assert f'href="{URL}/jobs/..%2F..%2Fx' in shown


def hostile_report() -> JobReport:
    plain = full_report()
    assert plain.student and plain.student.figures
    attacks = tuple(one.model_copy(update={"label": HOSTILE}) for one in plain.student.figures.attacks)
    figures = plain.student.figures.model_copy(update={"attacks": attacks})
    student = plain.student.model_copy(update={"figures": figures})
    return report_of(plain.model_copy(update={"student": student}), job=HOSTILE)


def test_a_comparison_is_a_row_for_each_job() -> None:
    first, second = report_of(full_report(), "j1"), report_of(full_report(), "j2")
    both = compare([first, second])
    assert both.rows == (first.rows[0], second.rows[0]) and both.same_images
    found = Cells(both._repr_html_())
    assert len(found.rows) == 3 and "same test images" in both._repr_html_()
    other = first.rows[0].__class__(**{**vars(first.rows[0]), "images": "e" * 64})
    assert "Not all" in Comparison((*both.rows, other))._repr_html_()


def test_texts_of_reports_are_escaped_in_tables() -> None:
    for shown in (hostile_report()._repr_html_(), compare([hostile_report()])._repr_html_()):
        assert "<script" not in shown and "&lt;script&gt;" in shown


def test_nothing_measured_is_no_row_and_no_error() -> None:
    empty = report_of(Report(complete=False, spec=full_report().spec, spec_digest="d"))
    assert "Nothing was measured yet" in empty._repr_html_() and "Not complete" in empty._repr_html_()
    assert compare([empty]).rows == ()
    assert Cells(compare([])._repr_html_()).rows == [
        ["job", "network", "test images", "clean accuracy", "robust accuracy", "attacks"]
    ]


def test_a_sweep_shows_what_was_chosen() -> None:
    mean = SeedMean(value=0.5, low=0.4, high=0.6, seeds=1, images=100, interval="wilson")
    row = SettingRow(
        setting=Setting(method="neft", freeze_depth=2, k=3, beta=0.6, fdm_weight=None),
        jobs=("j1",),
        seeds=(0,),
        unfinished=0,
        failed=0,
        validation=Measured(clean=mean, robust=mean),
        on_front=True,
        best=True,
        test=None,
    )
    table = SweepTable(complete=False, margin=0.02, attacks=(), rows=(row,))
    sweep = Sweep(id="s1", states={"running": 1, "queued": 0, HOSTILE: 2}, fraction=0.5, table=table)
    found = Cells(sweep_html(sweep))
    assert found.rows[1] == [
        *("neft", "2", "0.6", "\u2013", "1", "50.0 % (40.0 to 60.0)", "50.0 % (40.0 to 60.0)"),
        *("best and front", "\u2013", "\u2013"),
    ]
    assert "<script" not in sweep_html(sweep)


@pytest.fixture
def pandas(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stand-in: the records that a frame is made of."""
    module: Any = ModuleType("pandas")
    module.DataFrame = SimpleNamespace(from_records=lambda records: records)
    monkeypatch.setitem(sys.modules, "pandas", module)
    return module


def test_figures_become_a_data_frame(pandas: Any) -> None:
    report = report_of(full_report())
    records = report.to_pandas()
    assert [record["network"] for record in records] == [row.network for row in report.rows]
    assert compare([report]).to_pandas() == records[:1]
    worst = report.rows[0].robust
    assert worst and (records[0]["robust"], records[0]["robust_low"]) == (worst.value, worst.low)


def test_without_pandas_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    for made in (compare([]), report_of(full_report())):
        with pytest.raises(NotInstalled, match="pip install pandas"):
            made.to_pandas()


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def show_all(console: Console, *, wanted: bool = True) -> str:
    with progress(wanted, URL, console) as show:
        show(RUNNING)
        show(RUNNING.model_copy(update={"state": "succeeded", "fraction": 1.0}))
    return written(console)


def test_a_terminal_gets_a_bar_and_a_pipe_nothing() -> None:
    assert show_all(console(terminal=False)) == ""
    assert show_all(console(terminal=True), wanted=False) == ""
    assert show_all(console(terminal=True)) != ""


class Place:
    """Where a notebook shows something."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def update(self, what: Any) -> None:
        self.shown.append(what._repr_html_())


def ipython(place: Place, shell: object) -> Any:
    def display(what: Any, *, display_id: bool) -> Place:
        assert display_id
        place.update(what)
        return place

    return SimpleNamespace(get_ipython=lambda: shell, display=SimpleNamespace(display=display))


def test_a_notebook_gets_one_bar_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place()
    monkeypatch.setitem(sys.modules, "IPython", ipython(place, SimpleNamespace(kernel=object())))
    assert show_all(console(terminal=True)) == ""
    assert len(place.shown) == 2 and "<progress" in place.shown[0] and "succeeded" in place.shown[1]


def test_ipython_in_a_terminal_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place()
    for shell in (None, SimpleNamespace()):
        monkeypatch.setitem(sys.modules, "IPython", ipython(place, shell))
        assert show_all(console(terminal=True)) != ""
    assert place.shown == []
