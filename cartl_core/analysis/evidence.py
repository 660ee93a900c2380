"""From a report to its evidence block, one function a piece; a piece that was not measured is left out.

Torch-free. Nothing here judges: ``report_evidence.STATEMENT`` goes with every block.
"""

from __future__ import annotations

from cartl_core.analysis.evidence_items import ITEMS, _figures
from cartl_core.analysis.frameworks import (
    GAPS,
)
from cartl_core.render import phrases
from cartl_core.report import Report
from cartl_core.report.evidence import Evidence, Subject
from cartl_core.spec import JobSpec


def evidence(report: Report) -> Evidence | None:
    """The evidence of a report; None before the student is measured."""
    figures = _figures(report)
    if report.student is None or figures is None:
        return None
    runtime = report.runtime
    kept = ("cartl", "torch", "torchvision", "python", "device_name", "machine", "precision")
    return Evidence(
        subject=Subject(
            method=phrases.arm(report.student),
            network=f"{report.spec.model.name}, frozen: {phrases.frozen(report.student)}",
            student_digest=report.student.student_digest,
            teacher_digest=report.student.teacher_digest,
            spec_digest=report.spec_digest,
            source=phrases.data(report.spec.source) if isinstance(report.spec, JobSpec) else None,
            target=phrases.data(report.spec.dataset),
            target_fingerprint=figures.data_fingerprint,
            seed=report.spec.seed,
            versions={name: str(getattr(runtime, name)) for name in kept} if runtime else {},
        ),
        items=tuple(item for make in ITEMS if (item := make(report)) is not None),
        gaps=GAPS,
    )
