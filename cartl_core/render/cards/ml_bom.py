"""A machine-learning bill of materials: CycloneDX 1.6 in JSON, with a model card of what was measured.

The first component is the network that the report is of; the others are the images that it was made or
measured with. Every performance metric is one of the report's evidence, with its interval where it has one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cartl_core.catalog import facts_of
from cartl_core.render import sentences
from cartl_core.report import Report
from cartl_core.report.evidence import Evidence, Measured
from cartl_core.spec import JobSpec
from cartl_core.spec.data_and_model import DataSpec

NAME = "ml-bom.cdx.json"
MEDIA_TYPE = "application/vnd.cyclonedx+json"
SHA256_DIGITS = 64
NETWORK, TARGET, SOURCE = "network", "target", "source"


def render(report: Report, sha256: str | None = None) -> str | None:
    """The bill of materials as JSON; None of a report without evidence.

    Args:
        report: complete.
        sha256: of the network's file, where a file was given back; of an existing network the
            specification has it.
    """
    evidence, spec, student = report.evidence, report.spec, report.student
    if evidence is None or student is None or student.figures is None:
        return None
    made_here = isinstance(spec, JobSpec)
    file_digest = sha256 if isinstance(spec, JobSpec) else spec.network.sha256
    data = [_data(TARGET, spec.dataset, evidence.subject.target_fingerprint)]
    if isinstance(spec, JobSpec) and spec.source is not None:
        teachers = [teacher.figures for teacher in report.teachers if teacher.figures]
        data.append(_data(SOURCE, spec.source, teachers[0].data_fingerprint if teachers else None))
    network: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": NETWORK,
        "name": spec.name or f"{spec.model.name} on {facts_of(spec.dataset).title}",
        "description": f"{spec.model.name}, {student.method or 'made elsewhere'}",
        "properties": list(_properties(report, evidence)),
        "modelCard": _model_card(report, evidence, data),
    }
    if file_digest is not None:
        network["hashes"] = _hashes(file_digest)
    told = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, f'{report.spec_digest} {file_digest}')}",
        "version": 1,
        "metadata": {
            "tools": {"components": [_tool(report)]},
            "component": {"type": "application", "name": "robustness report", "bom-ref": "report"},
        },
        "components": [network, *data],
        "dependencies": [
            {"ref": NETWORK, "dependsOn": [one["bom-ref"] for one in data] if made_here else []}
        ],
    }
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _tool(report: Report) -> dict[str, Any]:
    version = {"version": report.runtime.cartl} if report.runtime else {}
    return {"type": "application", "name": "cartl", **version}


def _data(ref: str, data: DataSpec, fingerprint: str | None) -> dict[str, Any]:
    """A data set as a component; its fingerprint is SHA-256 over all its images."""
    found: dict[str, Any] = {"type": "data", "bom-ref": ref, "name": facts_of(data).title}
    if fingerprint is not None and len(fingerprint) == SHA256_DIGITS:
        found["hashes"] = _hashes(fingerprint)
    return found


def _hashes(sha256: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": sha256}]


def _properties(report: Report, evidence: Evidence) -> Iterator[dict[str, str]]:
    """What identifies the run, under a namespace of our own."""
    subject = evidence.subject
    told = {
        "spec_digest": report.spec_digest,
        "student_digest": subject.student_digest,
        "teacher_digest": subject.teacher_digest,
        "seed": str(subject.seed),
        **{f"version.{name}": version for name, version in subject.versions.items()},
    }
    yield from ({"name": f"cartl:{name}", "value": value} for name, value in told.items() if value)


def _model_card(report: Report, evidence: Evidence, data: list[dict[str, Any]]) -> dict[str, Any]:
    model = report.spec.model
    size = f"{model.channels} x {model.image_size} x {model.image_size}"
    warnings = list(sentences.read_first(report))
    card: dict[str, Any] = {
        "modelParameters": {
            "task": "image classification",
            "modelArchitecture": model.name,
            "datasets": [{"ref": one["bom-ref"]} for one in data],
            "inputs": [{"format": f"image, {size}, values in [0, 1]"}],
            "outputs": [{"format": "logits, one a class"}],
        },
        "quantitativeAnalysis": {
            "performanceMetrics": [_metric(one) for item in evidence.items for one in item.measured]
        },
    }
    if warnings:
        card["considerations"] = {"technicalLimitations": warnings}
    return card


def _metric(measured: Measured) -> dict[str, Any]:
    """One figure; its slice says of what, at which radius and on how many images."""
    parts = [
        measured.of,
        f"at {measured.at:.6g}" if measured.at is not None else None,
        f"n {measured.n}" if measured.n is not None else None,
        f"confidence {measured.confidence:g}" if measured.confidence is not None else None,
        measured.unit if measured.unit != "fraction" else None,
    ]
    found: dict[str, Any] = {"type": measured.quantity, "value": f"{measured.value:.6g}"}
    if told := ", ".join(part for part in parts if part):
        found["slice"] = told
    if measured.low is not None and measured.high is not None:
        bounds = {"lowerBound": f"{measured.low:.6g}", "upperBound": f"{measured.high:.6g}"}
        found["confidenceInterval"] = bounds
    return found
