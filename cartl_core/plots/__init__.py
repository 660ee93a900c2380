"""Figures of a report, drawn once when a run publishes: pure functions from a ``Report`` to bytes.

Matplotlib is needed here and nowhere else; who only shows a report gets the finished files.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from matplotlib.figure import Figure

from cartl_core.plots.canvas import files
from cartl_core.plots.per_class import per_class
from cartl_core.render.pictures import Picture
from cartl_core.report import Report

PLOTS: dict[str, Callable[[Report], Figure | None]] = {"per-class": per_class}
"""Each figure by the stem of its files; None where the report has nothing to draw."""


def draw(report: Report) -> tuple[Picture, ...]:
    """Every figure that ``report`` has something for, each as SVG and as PNG."""
    return tuple(picture for stem, plot in PLOTS.items() for picture in files(stem, partial(plot, report)))
