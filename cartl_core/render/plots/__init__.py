"""Figures of a report, drawn once when a run publishes: pure functions from a ``Report`` to bytes.

Matplotlib is needed here and nowhere else; who only shows a report gets the finished files.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from matplotlib.figure import Figure

from cartl_core.render.figure import Picture, Pixels
from cartl_core.render.plots.audit import audit
from cartl_core.render.plots.canvas import files
from cartl_core.render.plots.curve import curve
from cartl_core.render.plots.history import history
from cartl_core.render.plots.per_class import per_class
from cartl_core.render.plots.selection import selection
from cartl_core.render.plots.worst_images import worst_images
from cartl_core.report import Report

__all__ = ["PLOTS", "Pixels", "draw"]

PLOTS: dict[str, Callable[[Report], Figure | None]] = {
    "selection": selection,
    "curve": curve,
    "per-class": per_class,
    "audit": audit,
    "history": history,
}
"""Each chart by the stem of its files; None where the report has nothing to draw."""
PHOTOGRAPHS = "worst-images"


def draw(report: Report, pixels: Pixels | None = None) -> tuple[Picture, ...]:
    """Every figure that ``report`` has something for: charts as SVG and PNG, photographs as PNG.

    Args:
        pixels: of the report's gallery.
    """
    charts = tuple(picture for stem, plot in PLOTS.items() for picture in files(stem, partial(plot, report)))
    if pixels is None:
        return charts
    return (*charts, *files(PHOTOGRAPHS, partial(worst_images, report, pixels), vector=False))
