"""The way of each student over validation figures: clean against robust accuracy, epoch by epoch."""

from __future__ import annotations

from matplotlib.figure import Figure

from cartl_core.render import captions, histories
from cartl_core.render.figure import COLOURS
from cartl_core.render.plots.canvas import INK, MARKERS, sheet
from cartl_core.report import Report

HEIGHT = 3.8


def history(report: Report) -> Figure | None:
    """A line a student from its first epoch to its last; a ring around the epoch that was kept."""
    caption, curves = captions.history(report), histories.students(report)
    if caption is None:
        return None
    figure = sheet(HEIGHT, caption.evidence)
    axes = figure.add_subplot()
    for number, (name, found) in enumerate(curves):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        clean = [100 * row.clean.value for row in found.epochs]
        robust = [100 * row.robust.value for row in found.epochs]
        axes.plot(clean, robust, color=colour, marker=marker, markersize=3.5, linewidth=1.0, label=name)
        kept = found.selected_epoch - 1
        axes.plot(clean[kept], robust[kept], "o", markersize=11, markerfacecolor="none", color=INK)
        for epoch in {1, len(found.epochs), found.selected_epoch}:
            place = (clean[epoch - 1], robust[epoch - 1])
            axes.annotate(str(epoch), place, xytext=(4, 4), textcoords="offset points", fontsize=7)
    axes.set_xlabel("clean accuracy on validation images, %")
    axes.set_ylabel("robust accuracy on validation images, %")
    axes.margins(0.08)
    axes.legend(loc="best", fontsize=8)
    return figure
