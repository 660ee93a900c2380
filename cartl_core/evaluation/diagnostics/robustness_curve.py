"""The curve over eps as a diagnostic: one radius an image."""

from __future__ import annotations

from torch import Tensor

from cartl_core.analysis.curves import robustness_curve
from cartl_core.attacks import minimal_radii
from cartl_core.evaluation.diagnostics.base import Batch, Subject
from cartl_core.report.curves import RobustnessCurve
from cartl_core.spec.measures.curve import CurveSpec

RADIUS = "radius"
"""Row of the radii, (n,) float64: see ``attacks.minimal_radii``."""


def batch(subject: Subject, asked: CurveSpec) -> Batch:
    """The radius of every image of a batch."""

    def rows(images: Tensor, labels: Tensor, indices: Tensor) -> dict[str, Tensor]:
        radii = minimal_radii(subject.network, images, labels, asked, seed=subject.seed, indices=indices)
        return {RADIUS: radii}

    return rows


def summarise(subject: Subject, asked: CurveSpec, rows: dict[str, Tensor]) -> RobustnessCurve:
    """The curve of all images."""
    return robustness_curve(rows[RADIUS].tolist(), asked, subject.seed)


def radii_of(rows: dict[str, Tensor], index: Tensor) -> tuple[float | None, ...]:
    """The radius of each image of ``index`` (n,), its positions in the data set; None where none was found.

    Args:
        rows: of a finished curve, with the positions of its own images in ``index``.
    """
    found = dict(zip(rows["index"].tolist(), rows[RADIUS].tolist(), strict=True))
    return tuple(found.get(position) for position in index.tolist())
