"""The layers of the tail: what NEFT bounds, what each layer really does, and what is proven of it."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from cartl_core.render import captions
from cartl_core.render.figure import COLOURS
from cartl_core.render.plots.canvas import QUIET, WRONG, sheet
from cartl_core.report import Report

INCHES_A_LAYER = 0.22
INCHES_AROUND = 1.0


class _Plain(LogFormatter):
    """Labels where its base has them, as plain numbers: 0.6, not 6e-01."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def audit(report: Report) -> Figure | None:
    """A row a layer, on a logarithmic axis with the line at 1 up to which nothing is expanded."""
    caption, layers = captions.audit(report), captions.audited_layers(report)
    if caption is None:
        return None
    figure = sheet(INCHES_AROUND + INCHES_A_LAYER * len(layers), caption.evidence)
    axes = figure.add_subplot()
    series = (
        ("proven bound", "D", COLOURS[0], [layer.upper_bound for layer in layers]),
        ("own norm, estimate from below", "o", COLOURS[2], [layer.power_estimate for layer in layers]),
        ("reshaped sigma (what NEFT bounds)", "|", COLOURS[1], [layer.reshaped_sigma for layer in layers]),
    )
    for title, mark, colour, values in series:
        # A logarithm has no place for a layer of norm 0.
        known = [(value, place) for place, value in enumerate(values) if value]
        if known:
            sizes = {"|": 10.0}.get(mark, 5.0)
            axes.plot(*zip(*known, strict=True), mark, color=colour, markersize=sizes, label=title)
    axes.axvline(1.0, color=WRONG, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.set_xscale("log")
    for axis in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis(_Plain(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
    axes.set_yticks(range(len(layers)), [layer.name for layer in layers], fontsize=7.5, parse_math=False)
    axes.set_ylim(len(layers) - 0.4, -0.6)
    axes.set_xlabel("how many times further apart two inputs can get (L2), logarithmic; 1: not expanded")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, color=QUIET)
    figure.legend(loc="outside upper left", ncols=3, fontsize=8)
    return figure
