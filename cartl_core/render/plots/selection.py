"""Clean against robust accuracy of every candidate on validation images: front, margin and choice."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cartl_core.render import captions, phrases
from cartl_core.render.figure import COLOURS
from cartl_core.render.plots.canvas import INK, MARKERS, QUIET, sheet
from cartl_core.report import Interval, Report
from cartl_core.report.selection import Candidate

HEIGHT = 4.0
POINTS_AROUND = 3.0
"""Percentage points of empty space beyond the outermost candidate."""
WIDTH_OF_AXES, HEIGHT_OF_AXES = 430.0, 200.0
"""About, in typographic points: enough to see whether two labels meet."""
CORNERS = ((7, 4), (7, -11), (-14, 4), (-14, -11), (12, -4), (-20, -4), (0, 12), (0, -18))
"""Of a label's lower left end, from the middle of its mark, in typographic points; the first free one."""


def selection(report: Report) -> Figure | None:
    """A mark a candidate, with its intervals; a ring around the chosen one, another around the best plain."""
    caption = captions.selection(report)
    found = report.selection
    if found is None or caption is None:
        return None
    figure = sheet(HEIGHT, caption.evidence)
    axes = figure.add_subplot()
    drawn = [
        (candidate, 100 * candidate.clean.value, 100 * candidate.robust.value)
        for candidate in found.candidates
        if candidate.clean and candidate.robust
    ]
    methods = list(dict.fromkeys(phrases.method(candidate.method) for candidate, _, _ in drawn))
    _margin(axes, max(clean for _, clean, _ in drawn), 100 * found.margin)
    _front(axes, [(clean, robust) for candidate, clean, robust in drawn if candidate.on_front])
    for place, method in enumerate(methods):
        own = [point for point in drawn if phrases.method(point[0].method) == method]
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        for candidate, clean, robust in own:
            _intervals(axes, candidate, colour, clean, robust)
        axes.plot(
            [clean for _, clean, _ in own],
            [robust for _, _, robust in own],
            marker,
            color=colour,
            markersize=6.5,
            label=method,
            zorder=3,
        )
    _labels(axes, drawn)
    _rings(axes, drawn)
    axes.set_xlim(*_span([clean for _, clean, _ in drawn]))
    axes.set_ylim(*_span([robust for _, _, robust in drawn]))
    axes.set_xlabel("clean accuracy on validation images, %")
    axes.set_ylabel("robust accuracy on validation images, %")
    figure.legend(loc="outside upper left", ncols=4, fontsize=8)
    return figure


def _labels(axes: Axes, drawn: list[tuple[Candidate, float, float]]) -> None:
    """Each candidate's number, as in the table, at the first corner of its mark that is free."""
    across = _span([clean for _, clean, _ in drawn])
    up = _span([robust for _, _, robust in drawn])
    marks = [
        (WIDTH_OF_AXES * _share(clean, across), HEIGHT_OF_AXES * _share(robust, up))
        for _, clean, robust in drawn
    ]
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in marks]
    for (candidate, clean, robust), (x, y) in zip(drawn, marks, strict=True):
        text = str(candidate.number)
        boxes = {
            (right, above): (x + right, y + above, x + right + 5 * len(text), y + above + 8)
            for right, above in CORNERS
        }
        free = [corner for corner, box in boxes.items() if not any(_meet(box, other) for other in taken)]
        corner = (free or CORNERS)[0]
        taken.append(boxes[corner])
        axes.annotate(
            text,
            (clean, robust),
            xytext=corner,
            textcoords="offset points",
            fontsize=7,
            color=INK if candidate.chosen else QUIET,
            fontweight="bold" if candidate.chosen else "normal",
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7},
            zorder=2.5,
        )


def _share(value: float, span: tuple[float, float]) -> float:
    return (value - span[0]) / (span[1] - span[0])


def _meet(box: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]


def _margin(axes: Axes, cleanest: float, margin: float) -> None:
    """Where candidates are clean enough: from the cleanest one down to the margin."""
    axes.axvspan(
        cleanest - margin, cleanest, color=COLOURS[2], alpha=0.12, linewidth=0, label="clean enough", zorder=0
    )


def _front(axes: Axes, points: list[tuple[float, float]]) -> None:
    """The Pareto front as steps: what is to be had of one accuracy for so much of the other."""
    ordered = sorted(points)
    axes.step(
        [clean for clean, _ in ordered],
        [robust for _, robust in ordered],
        where="pre",
        color=QUIET,
        linewidth=1.0,
        linestyle=(0, (4, 3)),
        label="Pareto front",
        zorder=1,
    )


def _intervals(axes: Axes, candidate: Candidate, colour: str, clean: float, robust: float) -> None:
    assert candidate.clean is not None
    assert candidate.robust is not None
    axes.errorbar(
        [clean],
        [robust],
        xerr=_either_side(candidate.clean),
        yerr=_either_side(candidate.robust),
        fmt="none",
        ecolor=colour,
        elinewidth=0.8,
        alpha=0.3,
        zorder=2,
    )


def _either_side(figure: Interval) -> list[list[float]]:
    return [[100 * max(figure.value - figure.low, 0.0)], [100 * max(figure.high - figure.value, 0.0)]]


def _rings(axes: Axes, drawn: list[tuple[Candidate, float, float]]) -> None:
    for candidate, clean, robust in drawn:
        for is_so, colour, size, label in (
            (candidate.chosen, INK, 15, "chosen"),
            (candidate.best_plain and not candidate.chosen, QUIET, 13, "best plain"),
        ):
            if is_so:
                axes.plot(
                    [clean],
                    [robust],
                    "o",
                    markerfacecolor="none",
                    markeredgecolor=colour,
                    markeredgewidth=1.5,
                    markersize=size,
                    label=label,
                    zorder=4,
                )


def _span(values: list[float]) -> tuple[float, float]:
    """The axis shows where the candidates are, so that they can be told apart."""
    return max(0.0, min(values) - POINTS_AROUND), min(101.0, max(values) + POINTS_AROUND)
