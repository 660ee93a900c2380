"""Diagnostics: measurements of a network that are no single attack, a row each in ``DIAGNOSTICS``.

A diagnostic looks at the test images batch by batch and keeps (n, ...) tensors, so that it goes on after an
interruption at the batch it had reached; from all of them together it makes its report value.
``cartl_core.planning.diagnostic_table`` has the torch-free side of the same rows.
"""

from __future__ import annotations

from cartl_core.evaluation.diagnostics import (
    checks,
    corruptions,
    smoothing,
)
from cartl_core.evaluation.diagnostics import (
    lipschitz_audit as audit,
)
from cartl_core.evaluation.diagnostics import (
    robustness_curve as curve,
)
from cartl_core.evaluation.diagnostics import (
    worst_images as gallery,
)
from cartl_core.evaluation.diagnostics.base import Batch, Diagnostic, Subject

__all__ = ["DIAGNOSTICS", "Batch", "Diagnostic", "Subject"]

DIAGNOSTICS: dict[str, Diagnostic] = {
    "curve": Diagnostic(curve.batch, curve.summarise),
    "corruptions": Diagnostic(corruptions.batch, corruptions.summarise),
    "checks": Diagnostic(checks.batch, checks.summarise),
    "audit": Diagnostic(audit.batch, audit.summarise),
    "smoothing": Diagnostic(smoothing.batch, smoothing.summarise),
    "gallery": Diagnostic(gallery.batch, gallery.summarise),
}
