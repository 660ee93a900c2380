"""From a report to its evidence block; a piece that was not measured is left out. Torch-free.

Nothing here judges: ``render.frameworks.STATEMENT`` goes with every block that is shown.
"""

from __future__ import annotations

from cartl_core.analysis.evidence_items import items
from cartl_core.report import Report
from cartl_core.report.evidence import Evidence, Subject
from cartl_core.report.frameworks import gaps
from cartl_core.spec import Runtime

VERSIONS = ("cartl", "code", "image", "torch", "torchvision", "python", "device_name", "machine", "precision")
"""Of the runtime, what the figures depend on; ``code`` is the commit."""


def evidence(report: Report) -> Evidence | None:
    """The evidence of a report; None before the student is measured."""
    student, runtime = report.student, report.runtime
    if student is None or student.figures is None:
        return None
    return Evidence(
        subject=Subject(
            student_digest=student.student_digest,
            teacher_digest=student.teacher_digest,
            spec_digest=report.spec_digest,
            target_fingerprint=student.figures.data_fingerprint,
            seed=report.spec.seed,
            versions=_versions(runtime) if runtime else {},
        ),
        items=items(student, student.figures),
        gaps=gaps(),
    )


def _versions(runtime: Runtime) -> dict[str, str]:
    """As far as they are known."""
    found = {name: getattr(runtime, name) for name in VERSIONS}
    return {name: str(value) for name, value in found.items() if value is not None}
