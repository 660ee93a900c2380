"""Checks, certificates and evidence of report schema 1 become those of schema 2 and are said as they were.

``data/`` holds what the last version with schema 1 made: each check with each outcome, audits and results of
smoothing, and the evidence of the full report of ``tests.fixtures``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cartl_core.analysis.checks.attack_strength import convergence, rising_eps
from cartl_core.analysis.evidence import evidence
from cartl_core.analysis.retention import retention
from cartl_core.render.certificate_sentences import audit, network_certificate, smoothing_result
from cartl_core.render.checks.sentences import check_advice, check_title, check_words
from cartl_core.render.evidence import document
from cartl_core.render.schema_1_checks import (
    EARLIER_ADVICE,
    convert_arm_checks,
    convert_evidence,
    convert_figures,
)
from cartl_core.report import Report
from cartl_core.report.certificates import Audit, SmoothingResult
from cartl_core.report.checks import FINDINGS, Check
from cartl_core.report.evidence import Evidence
from tests.fixtures.diagnostics import stands
from tests.fixtures.reports import as_first_mapped, full_report

DATA = Path(__file__).parent / "data"


def data(name: str) -> Any:
    return json.loads((DATA / f"schema_1_{name}.json").read_text())


CASES = data("checks")


def with_sorted_keys(value: Any) -> Any:
    return json.loads(json.dumps(value, sort_keys=True))


LATER = {"outputs_not_finite", "no_image_in_range"}
"""Outcomes that no report of schema 1 has; of these checks alone it could say that no image is right."""
NO_IMAGE = {"gradients", "eps_one"}


def test_every_outcome_of_every_check_is_there() -> None:
    assert {(case["check"]["name"], case["finding"]) for case in CASES} == {
        (name, finding)
        for name, findings in FINDINGS.items()
        for finding in findings
        if name not in ("finite_outputs", "jumps", "inference")
        and finding not in LATER
        and (finding != "no_image_right" or name in NO_IMAGE)
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['check']['name']}-{case['finding']}")
@pytest.mark.parametrize("stored", [lambda value: value, with_sorted_keys], ids=["as made", "sorted"])
def test_a_check_is_said_as_it_was(case: dict[str, Any], stored: Any) -> None:
    old = stored(case["check"])
    (converted,) = convert_arm_checks([old])
    assert set(converted) == {"name", "status", "finding", "evidence", "details"}
    check = Check.model_validate(json.loads(json.dumps(converted)))
    assert (check.name, check.status, check.finding) == (old["name"], old["status"], case["finding"])
    assert check_title(check) == old["title"]
    assert check_words(check) == old["words"]
    assert EARLIER_ADVICE.get((check.name, check.finding), check_advice(check)) == old["advice"]
    assert list(check.evidence.items()) == list(old["evidence"].items())
    assert check_words(Check.model_validate(with_sorted_keys(converted))) == old["words"]


def test_numbers_that_only_the_sentence_had_are_read_from_it() -> None:
    """Rounded as they were said, and otherwise those that the same measurements give today."""
    by_finding = {case["finding"]: case["check"] for case in CASES}
    (rising, compared) = convert_arm_checks([by_finding["accuracy_rises"], by_finding["not_converged"]])
    first = [(0.2, 90), (0.1, 80), (0.4, 10)]
    today = rising_eps([(eps, stands("pgd", 10, robust, 200).robust) for eps, robust in first])
    assert rising["details"] == pytest.approx(today.details)
    pair = [stands("pgd10", 10, 90, 200), stands("pgd1000", 1000, 82, 200)]
    assert compared["details"] == convergence(pair).details


def test_a_sentence_of_no_outcome_is_refused() -> None:
    (known,) = (case["check"] for case in CASES if case["finding"] == "no_rise")
    for changes in ({"words": "All is well."}, {"advice": "Do nothing."}, {"status": "failed"}):
        with pytest.raises(ValueError, match="rising_eps"):
            convert_arm_checks([known | changes])


def test_certificates_are_said_as_they_were() -> None:
    old = data("certificates")
    assert {found["network"]["vacuous"] for found in old["audits"]} == {True, False}
    for found in old["audits"]:
        figures = convert_figures({"n": 200, "curve": None, "audit": found, "smoothing": None})
        assert (figures["n"], figures["curve"], figures["smoothing"]) == (200, None, None)
        today = Audit.model_validate(figures["audit"])
        assert audit(today) == found["words"]
        assert network_certificate(today.network) == found["network"]["words"]
    for found in old["smoothings"]:
        smoothed = SmoothingResult.model_validate(convert_figures({"smoothing": found})["smoothing"])
        assert smoothing_result(smoothed) == found["words"]


@pytest.fixture
def report() -> Report:
    """The full report of the fixtures, with what was kept of the teacher's robustness as it is made."""
    student, teacher = stands("pgd20", 20, 124, 200), stands("pgd20", 20, 114, 200)
    carried = retention(
        ((True,) * 180 + (False,) * 20, [student]), ((True,) * 150 + (False,) * 50, [teacher])
    )
    known = full_report()
    assert known.student is not None
    known = known.model_copy(update={"student": known.student.model_copy(update={"kept": carried})})
    found = evidence(known)
    assert found is not None
    return known.model_copy(update={"evidence": as_first_mapped(found)})


def test_the_document_for_auditors_is_what_it_was(report: Report) -> None:
    found = document(report)
    assert found is not None
    assert json.dumps(found.model_dump(mode="json")) == json.dumps(data("evidence"))


def test_evidence_becomes_what_is_stored_today(report: Report) -> None:
    assert report.evidence is not None
    converted = Evidence.model_validate(convert_evidence(data("evidence")))
    assert converted == report.evidence
    assert convert_evidence(None) is None


@pytest.mark.parametrize("place", ["item", "gap"])
def test_evidence_that_schema_1_did_not_have_is_refused(place: str) -> None:
    old = data("evidence")
    if place == "item":
        old["items"][2]["measured"][0]["name"] = "another figure"
    else:
        old["gaps"][0]["subject"] = "another gap"
    with pytest.raises(ValueError, match=f"another {'figure' if place == 'item' else 'gap'}"):
        convert_evidence(old)
