"""The bill of materials is CycloneDX by its own schema, and its metrics are the report's."""

from __future__ import annotations

import json

import pytest

from cartl_core.render import html, markdown
from cartl_core.render.cards.ml_bom import render
from cartl_core.report import Report
from tests.fixtures.reports import full_report, with_evidence

DIGEST = "ab" * 32


@pytest.fixture(scope="module")
def report() -> Report:
    return full_report()


def test_it_is_valid_by_its_schema(report: Report) -> None:
    bill = render(report, DIGEST)
    assert bill is not None
    # To load its grammars takes seconds, in each process that collects this module.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(bill) is None
    broken = bill.replace('"machine-learning-model"', '"network"')
    assert validator.validate_str(broken) is not None, "the schema sees a type that there is not"


def test_every_figure_of_the_evidence_is_a_metric_with_its_interval(report: Report) -> None:
    bill = json.loads(render(report, DIGEST) or "")
    network = bill["components"][0]
    metrics = network["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert report.evidence is not None
    figures = [one for item in report.evidence.items for one in item.measured]
    assert [metric["type"] for metric in metrics] == [one.quantity for one in figures]
    for metric, one in zip(metrics, figures, strict=True):
        assert float(metric["value"]) == pytest.approx(one.value, rel=1e-5, abs=1e-9)
        if one.low is not None and one.high is not None:
            bounds = metric["confidenceInterval"]
            assert float(bounds["lowerBound"]) == pytest.approx(one.low, rel=1e-5, abs=1e-9)
            assert float(bounds["upperBound"]) == pytest.approx(one.high, rel=1e-5, abs=1e-9)
    assert any("confidenceInterval" in metric for metric in metrics)
    assert network["hashes"] == [{"alg": "SHA-256", "content": DIGEST}]
    refs = {one["bom-ref"] for one in bill["components"]}
    assert {one["ref"] for one in network["modelCard"]["modelParameters"]["datasets"]} <= refs


def test_the_same_report_has_the_same_bill_and_another_network_another_number(report: Report) -> None:
    assert render(report, DIGEST) == render(report, DIGEST)
    first, other = (json.loads(render(report, digest) or "") for digest in (DIGEST, "cd" * 32))
    assert first["serialNumber"] != other["serialNumber"]


def test_commit_and_image_are_told_where_they_are_known(report: Report) -> None:
    assert report.runtime is not None
    runtime = report.runtime.model_copy(update={"commit": "a" * 40, "tree_changed": True, "image": "d" * 64})
    known = with_evidence(report.model_copy(update={"runtime": runtime}))
    bills = [json.loads(render(one, DIGEST) or "") for one in (known, report)]
    told, before = (
        {one["name"]: one["value"] for one in bill["components"][0]["properties"]} for bill in bills
    )
    assert told.items() - before.items() == {
        ("cartl:version.code", f"{'a' * 40}-changed"),
        ("cartl:version.image", "d" * 64),
    }
    for page in (markdown.render(known), html.render(known)):
        said = f"commit {'a' * 12} and changes to it, image {'d' * 12}, torch"
        assert said in " ".join(page.split())


def test_a_report_without_evidence_has_none(report: Report) -> None:
    assert render(report.model_copy(update={"evidence": None}), DIGEST) is None
