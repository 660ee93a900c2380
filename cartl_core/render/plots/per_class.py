"""Accuracy class by class: without an attack, and against all of them."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from cartl_core.render import captions, phrases
from cartl_core.render.figure import COLOURS
from cartl_core.render.plots.canvas import (
    INK,
    LEGEND_POINTS,
    MARKERS,
    QUIET,
    legend_columns,
    sheet,
)
from cartl_core.report import ArmReport, ClassResult, Interval, Report

SHOWN = 30
"""Of more classes only those with the least robust accuracy are drawn."""
INCHES_A_CLASS = 0.34
INCHES_AROUND = 1.0
BAR = 0.36
CLEAN = "#a9b4c2"


def per_class(report: Report) -> Figure | None:
    """Bars of the job's own student with their intervals, and the first baseline's worst case beside them."""
    rows, caption = drawn_rows(report), captions.per_class(report)
    if report.student is None or caption is None:
        return None
    figure = sheet(INCHES_AROUND + INCHES_A_CLASS * len(rows), caption.evidence)
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        _bar(axes, place - BAR / 2, row.clean, CLEAN, QUIET)
        _bar(axes, place + BAR / 2, row.worst_case, COLOURS[0], INK)
    marks = _baseline_marks(axes, rows, report.baselines)
    axes.set_yticks(range(len(rows)), [f"{row.name}  (n = {row.clean.n})" for row in rows], parse_math=False)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xlabel("accuracy, %")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    own = phrases.arm(report.student)
    bars = [
        Patch(color=CLEAN, label=f"{own}, no attack"),
        Patch(color=COLOURS[0], label=f"{own}, worst case"),
    ]
    handles = [*bars, *marks]
    columns = legend_columns([str(handle.get_label()) for handle in handles], 3)
    figure.legend(handles=handles, loc="outside upper left", ncols=columns, fontsize=LEGEND_POINTS)
    return figure


def drawn_rows(report: Report) -> tuple[ClassResult, ...]:
    """The classes in the figure: all, in their order, or the ``SHOWN`` least robust ones first to last."""
    figures = report.student.figures if report.student else None
    rows = figures.per_class if figures else ()
    if len(rows) <= SHOWN:
        return rows
    return tuple(sorted(rows, key=lambda row: (row.worst_case.value, row.label))[:SHOWN])


def _bar(axes: Axes, place: float, figure: Interval, colour: str, whisker: str) -> None:
    if figure.n == 0:
        return
    axes.barh([place], [100 * figure.value], height=BAR, color=colour)
    low, high = 100 * (figure.value - figure.low), 100 * (figure.high - figure.value)
    axes.errorbar(
        [100 * figure.value],
        [place],
        xerr=[[max(low, 0)], [max(high, 0)]],
        ecolor=whisker,
        elinewidth=1,
        capsize=2,
        fmt="none",
    )


def _baseline_marks(
    axes: Axes, rows: tuple[ClassResult, ...], baselines: tuple[ArmReport, ...]
) -> list[Line2D]:
    """The first baseline's worst case, as a mark beside the student's bar."""
    baseline = next((arm for arm in baselines if arm.figures and arm.figures.per_class), None)
    if baseline is None or baseline.figures is None:
        return []
    theirs = {row.label: row.worst_case for row in baseline.figures.per_class}
    found = [(theirs[row.label], place) for place, row in enumerate(rows) if row.label in theirs]
    return axes.plot(
        [100 * figure.value for figure, _ in found],
        [place + BAR / 2 for _, place in found],
        MARKERS[3],
        color="white",
        markeredgecolor=COLOURS[1],
        markeredgewidth=1.4,
        markersize=5.5,
        clip_on=False,
        label=f"{phrases.arm(baseline)}, worst case",
    )
