"""Complete reports: figures of a fresh run beside the stored ones, and every face of the stored ones.

Faces are made from stored JSON, so they do not hang on the processor: Markdown is equal to the letter, HTML
up to whitespace that nobody sees (``tests.fixtures.pages.seen``). What a fresh run may differ in is said by
``reports.differences``.
"""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from cartl_core.render import sentences
from cartl_core.render.schema_1 import read_report
from cartl_core.statistics.proportions import paired_difference
from tests.fixtures.pages import seen
from tests.golden import reports
from tests.golden.files import read, read_text

STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)


def shown(page: str) -> list[str]:
    """What is seen of a page, as far as the stored ones tell, which were squeezed."""
    return seen(reports.squeezed(STYLE.sub("", page)))


def converted(stored: Any) -> Any:
    """A stored report as JSON of today's schema, its paired intervals by today's method from its counts."""
    found = read_report(stored["report"]).model_dump(mode="json")
    compared = [comparison for arm in found["baselines"] for comparison in arm["comparisons"]]
    promise = (found["selection"] or {}).get("promise") or {}
    for comparison in [*compared, *filter(None, (promise.get("robust"), promise.get("clean")))]:
        counts = comparison["only_job"], comparison["only_baseline"], comparison["n"]
        comparison["difference"], comparison["low"], comparison["high"] = paired_difference(*counts)
    for made in (*found["teachers"], found["student"], *found["baselines"]):
        # Schema 1 did not record it; the fresh reports have 1 second for every time.
        made["origin"]["seconds"] = 1.0
    return found


def without_later_figures(report: Any) -> None:
    """Figures over classes came later, with a notice; their means are those of the classes."""
    few = [notice for notice in report["warnings"] if notice["code"] == "few_test_images"]
    assert all(row["n"] < 10 for notice in few for row in notice["smallest"])
    report["warnings"] = [notice for notice in report["warnings"] if notice not in few]
    for made in (*report["teachers"], report["student"], *report["baselines"]):
        figures = made["figures"]
        for name, of in (("clean_over_classes", "clean"), ("worst_case_over_classes", "worst_case")):
            values = [row[of]["value"] for row in figures["per_class"] if row[of]["n"]]
            found = figures[name]
            if values:
                assert found["balanced"]["value"] == pytest.approx(sum(values) / len(values))
                assert found["lowest"]["value"] == min(values)
            figures[name] = None


LATER_CHECKS = ("finite_outputs", "jumps", "inference")
"""Not in the stored reports; no network here fails one, and a job without checks runs the first alone."""


def without_later_checks(report: Any) -> Any:
    """A fresh report less what the stored ones could not have."""
    report = copy.deepcopy(report)
    run = bool(report["student"]["figures"].get("checks"))
    later_by_quantity = {"checks_passed": 3} if run else {"checks_passed": 1, "checks_not_run": 2}
    for arm in (report["student"], *report["baselines"]):
        later = [check for check in arm["checks"] if check["name"] in LATER_CHECKS]
        status = {check["name"]: check["status"] for check in later}
        others = "passed" if arm["figures"].get("checks") else "not_run"
        assert status == {"finite_outputs": "passed", "jumps": others, "inference": others}
        arm["checks"] = [check for check in arm["checks"] if check not in later]
        if checks := arm["figures"].get("checks"):
            assert checks["jumping"] is not None and checks["inference"] is not None
            checks |= {"jumping": None, "unexplained": None, "inference": None}
    without_later_figures(report)
    assert report["threat_models"] == report["spec"]["evaluate"]["threat_models"] != []
    report["threat_models"] = []
    for part in (*report["evidence"]["items"], *report["evidence"]["gaps"]):
        # ISO/IEC 24029 and ATLAS came later; the order of the others is as it was.
        part["references"] = [
            place for place in part["references"] if place["framework"].startswith(("NIST", "EU AI Act"))
        ]
    for item in report["evidence"]["items"]:
        for figure in item["measured"]:
            figure["value"] -= later_by_quantity.get(figure["quantity"], 0)
    return report


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return reports.make(tmp_path_factory.mktemp("reports"))


@pytest.mark.parametrize("name", reports.NAMES)
def test_figures_of_a_fresh_run(fresh: Any, name: str) -> None:
    stored, (found, written) = read(f"report-{name}"), fresh[name]
    assert reports.differences(converted(stored), without_later_checks(found)) == []
    assert [file for file in written if file != "ml-bom.cdx.json"] == stored["files"]


@pytest.mark.parametrize("name", reports.NAMES)
def test_a_stored_report_is_read_whole(name: str) -> None:
    stored = read(f"report-{name}")["report"]
    assert stored["schema_version"] == 1
    report = read_report(stored)
    assert sentences.headline(report) == stored["headline"]
    assert list(sentences.read_first(report)) == stored["warnings"]
    assert "other" not in {notice.code for notice in report.warnings}


@pytest.mark.parametrize("name", reports.NAMES)
def test_markdown_of_a_stored_report(name: str) -> None:
    stored = read(f"report-{name}")["report"]
    assert reports.as_markdown(stored).splitlines() == read_text(f"report-{name}.md").splitlines()
    assert reports.as_markdown(stored) == read_text(f"report-{name}.md")


@pytest.mark.parametrize("name", reports.NAMES)
def test_html_of_a_stored_report(name: str) -> None:
    page, kept = reports.as_html(read(f"report-{name}")["report"]), read_text(f"report-{name}.html")
    assert shown(page) == shown(kept)
    assert [reports.squeezed(text) for text in STYLE.findall(page)] == [
        reports.squeezed(text) for text in STYLE.findall(kept)
    ]


def test_what_a_fresh_run_may_differ_in() -> None:
    """Two images, and what hangs on them; no setting, no size of a sample, no third image."""
    stored = converted(read("report-transfer"))

    def changed(successes: int = 0, n: int = 0, eps: float = 0.0) -> list[str]:
        found = copy.deepcopy(stored)
        figures = found["student"]["figures"]
        figures["clean"]["successes"] += successes
        figures["clean"]["n"] += n
        figures["attacks"][0]["eps"] += eps
        found["warnings"] = [] if successes else found["warnings"]
        return reports.differences(stored, found)

    assert changed() == changed(successes=-2) == []
    assert len(changed(successes=-3)) == 1
    assert changed(n=1) and changed(successes=-1, n=1)
    assert changed(eps=0.01) and changed(successes=-1, eps=0.01)
    assert reports.differences(stored, {**stored, "warnings": []}) != []
    assert reports.differences(stored, {name: part for name, part in stored.items() if name != "student"})


def test_whitespace_of_a_page_does_not_count() -> None:
    assert reports.squeezed("<p>\n  a   b </p>\n\n<p>c</p>") == reports.squeezed("<p> a b </p><p>c</p>")
    assert reports.squeezed("<p>a b</p>") != reports.squeezed("<p>ab</p>")
