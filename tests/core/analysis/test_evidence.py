"""The evidence block: every figure is the report's own, every piece has limits, nothing is a verdict."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from cartl_core.analysis.evidence import evidence
from cartl_core.render.evidence import EvidenceDocument, document
from cartl_core.report import Report
from cartl_core.spec import digest
from tests.fixtures.reports import arm_of, full_report, spec_of


@pytest.fixture
def report() -> Report:
    return full_report()


@pytest.fixture
def block(report: Report) -> EvidenceDocument:
    found = document(report.model_copy(update={"evidence": evidence(report)}))
    assert found is not None
    return found


def at(document: Any, pointer: str) -> Any:
    """RFC 6901, as far as our pointers go."""
    for part in pointer.split("/")[1:]:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def test_every_pointer_leads_into_the_report(report: Report, block: EvidenceDocument) -> None:
    document = report.model_dump(mode="json")
    pointers = [pointer for item in block.items for pointer in item.where]
    assert len(pointers) >= 8
    for pointer in pointers:
        assert at(document, pointer) not in (None, [], {})


def test_every_figure_is_one_of_the_reports_own(report: Report, block: EvidenceDocument) -> None:
    plain = report.model_dump_json(exclude={"evidence"})
    known = {float(number) for number in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", plain)}
    figures = [figure for item in block.items for figure in item.measured]
    assert len(figures) > 10
    for figure in figures:
        if figure.unit != "count":
            assert figure.value in known
            assert figure.low is None or figure.low in known
            assert figure.n is None or figure.n in known
            assert (figure.n is None) == (figure.unit == "norm"), "what is proven needs no images"


def test_checks_are_counted(report: Report, block: EvidenceDocument) -> None:
    (checked,) = (item for item in block.items if item.id == "evaluation_checks")
    assert {figure.name: figure.value for figure in checked.measured} == {
        "passed": 1,
        "failed": 1,
        "not run": 1,
    }
    assert "More steps break no more images: \u2717 failed" in checked.how
    assert checked.found.startswith("pgd100 breaks 3.1 points more of the same 1,000 images than pgd20: ")


def test_every_piece_says_how_on_what_and_with_which_limits(block: EvidenceDocument) -> None:
    assert [item.id for item in block.items] == [
        "accuracy",
        "adversarial_examples",
        "rising_radii",
        "common_corruptions",
        "evaluation_checks",
        "lipschitz_bounds",
        "randomised_smoothing",
        "robustness_kept",
        "record",
    ]
    for item in block.items:
        assert item.references
        assert item.limits
        assert item.how
        assert item.on
    attacked = block.items[1]
    assert "eps 8/255, step 2/255, 20 and 100 steps, 2 restarts, random start, seed 7" in attacked.how
    assert "over the curve within that radius (n = 200)" in attacked.how
    assert "f" * 64 in attacked.on


def test_the_clauses_are_those_that_it_can_speak_to(block: EvidenceDocument) -> None:
    references = [reference for item in block.items for reference in item.references]
    assert {reference.framework for reference in references} == {
        "NIST AI RMF 1.0",
        "EU AI Act, Regulation (EU) 2024/1689",
        "ISO/IEC TR 24029-1:2021",
        "ISO/IEC 24029-2:2023",
        "MITRE ATLAS",
    }
    assert all(reference.about for reference in references)
    clauses = {item.id: {reference.clause for reference in item.references} for item in block.items}
    assert {"Article 15(5)", "MEASURE 2.7", "AML.T0043"} <= clauses["adversarial_examples"]
    assert "AML.T0043" not in clauses["accuracy"]
    gaps = {gap.subject for gap in block.gaps}
    assert {"data and model poisoning", "confidentiality", "the lifecycle"} <= gaps


def test_nothing_in_it_is_a_verdict(block: EvidenceDocument) -> None:
    assert block.statement.startswith("Evidence, not a verdict")
    said = json.dumps(block.model_dump(mode="json", exclude={"statement"})).lower()
    for word in ("compliant", "conform", "complies", "fulfils", "satisfies", "sufficient"):
        assert word not in said


def test_what_was_not_measured_is_left_out(report: Report) -> None:
    assert evidence(Report(complete=False, spec=spec_of(), spec_digest=digest(spec_of()))) is None
    unmeasured = report.model_copy(update={"student": arm_of("cartl", None)})
    assert evidence(unmeasured) is None
    assert report.student is not None
    assert report.student.figures is not None
    bare = report.student.figures.model_copy(
        update={"attacks": (), "worst_case": None, "curve": None, "corruptions": None, "per_class": ()}
    )
    bare = bare.model_copy(update={"audit": None, "smoothing": None})
    student = report.student.model_copy(update={"figures": bare, "kept": None, "checks": ()})
    found = evidence(report.model_copy(update={"student": student}))
    assert found is not None
    assert [item.id for item in found.items] == ["accuracy", "record"]


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from strings([*value.values()])
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)


def test_what_is_stored_of_it_are_codes_and_numbers(report: Report, block: EvidenceDocument) -> None:
    found = evidence(report)
    assert found is not None
    stored = set(strings(found.model_dump(mode="json")))
    told = [text for item in block.items for text in (item.title, item.what, item.how, item.on, item.found)]
    told += [text for item in block.items for text in item.limits]
    told += [block.statement, block.subject.method, block.subject.target]
    told += [text for gap in block.gaps for text in (gap.subject, gap.words)]
    assert stored.isdisjoint({text for text in told if text != "confidentiality"}), "a code that is its name"
    assert not any(text.endswith(".") for text in stored)
    assert any(text.endswith(".") for text in strings(block.model_dump(mode="json")))


def test_text_of_what_the_report_does_not_have_is_refused(report: Report) -> None:
    assert report.student is not None
    assert report.student.figures is not None
    less = report.student.figures.model_copy(update={"curve": None})
    student = report.student.model_copy(update={"figures": less})
    with pytest.raises(ValueError, match="does not have"):
        document(report.model_copy(update={"student": student}))
    assert document(report.model_copy(update={"evidence": None})) is None
