"""Probes: measurements of a network that are no single attack, a row each in ``PROBES``.

A probe looks at the test images batch by batch and keeps (n, ...) tensors, so that it goes on after an
interruption at the batch it had reached; from all of them together it makes its report value.
``cartl_core.planning.probe_table`` has the torch-free side of the same rows.
"""

from __future__ import annotations

from cartl_core.evaluation.probes import (
    checks,
    corruptions,
    smoothing,
)
from cartl_core.evaluation.probes import (
    lipschitz_audit as audit,
)
from cartl_core.evaluation.probes import (
    robustness_curve as curve,
)
from cartl_core.evaluation.probes import (
    worst_images as gallery,
)
from cartl_core.evaluation.probes.base import Batch, Probe, Subject

__all__ = ["PROBES", "Batch", "Probe", "Subject"]

PROBES: dict[str, Probe] = {
    "curve": Probe(curve.batch, curve.summarise),
    "corruptions": Probe(corruptions.batch, corruptions.summarise),
    "checks": Probe(checks.batch, checks.summarise),
    "audit": Probe(audit.batch, audit.summarise),
    "smoothing": Probe(smoothing.batch, smoothing.summarise),
    "gallery": Probe(gallery.batch, gallery.summarise),
}
