"""Robust accuracy over eps, the job's own student against its baselines, with their intervals as bands."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cartl_core.render import captions, numbers
from cartl_core.render.figure import COLOURS
from cartl_core.render.plots.canvas import LEGEND_POINTS, MARKERS, QUIET, legend_columns, sheet
from cartl_core.report import Report
from cartl_core.report.curves import RobustnessCurve

HEIGHT = 3.8
TICKS = 6
BEYOND = 1.06
"""The axis ends a little beyond the last point that is drawn."""


def curve(report: Report) -> Figure | None:
    """A line for each arm, to where the last one is below its floor; all in the norm of the first."""
    caption, drawn = captions.curve(report), captions.curves(report)
    if caption is None:
        return None
    figure = sheet(HEIGHT, caption.evidence)
    axes = figure.add_subplot()
    for number, (name, found) in enumerate(drawn):
        _line(axes, found, name, COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)])
    norm = drawn[0][1].norm
    # A curve of a network that gets nothing right ends where it begins.
    end = BEYOND * max(point.eps for _, found in drawn for point in found.points) or 1.0
    axes.set_xlim(0, end)
    radii = _some({point.eps for _, found in drawn for point in found.points})
    axes.set_xticks(radii, [numbers.radius(eps) for eps in radii])
    _marks(axes, report, norm, end)
    axes.set_ylim(0, 100)
    axes.set_xlabel(f"radius eps, {norm}, pixel units on [0, 1]")
    axes.set_ylabel("robust accuracy, %")
    # Above the axes: within them it would cover the marks of a radius at the right edge.
    columns = legend_columns([name for name, _ in drawn], 4)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, fontsize=LEGEND_POINTS, frameon=False)
    return figure


def _some(radii: Iterable[float]) -> list[float]:
    """Of the radii that were measured, so many as have room on the axis, the largest among them."""
    found = sorted(radii)
    apart = -(-len(found) // TICKS)
    return sorted(found[::-1][::apart])


def _line(axes: Axes, found: RobustnessCurve, name: str, colour: str, marker: str) -> None:
    eps = [point.eps for point in found.points]
    low = [100 * point.robust.low for point in found.points]
    high = [100 * point.robust.high for point in found.points]
    axes.fill_between(eps, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(
        eps,
        [100 * point.robust.value for point in found.points],
        color=colour,
        marker=marker,
        markersize=3.5,
        linewidth=1.6,
        label=name,
    )


def _marks(axes: Axes, report: Report, norm: str, end: float) -> None:
    """The radii of the figures, and the one that the teacher was trained at, as far as the axis goes."""
    evaluated = {attack.eps for attack in report.spec.evaluate.attacks if attack.norm == norm}
    trained = {own.inner_eps} if norm == "linf" and (own := report.own_arm) else set()
    for eps in sorted(evaluated | trained):
        if eps >= end:
            continue
        kinds = [kind for kind, radii in (("evaluated", evaluated), ("trained", trained)) if eps in radii]
        leftwards = eps > end / 2
        axes.axvline(eps, color=QUIET, linewidth=0.9, linestyle=(0, (4, 3)))
        note = axes.annotate(
            f"{' and '.join(kinds)} at {numbers.radius(eps)}",
            (eps, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-3 if leftwards else 3, -3),
            textcoords="offset points",
            ha="right" if leftwards else "left",
            va="top",
            fontsize=7,
            color=QUIET,
        )
        note.set_in_layout(False)
