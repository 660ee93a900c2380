"""The figure of docs/study/choice.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from cartl_core.render.plots.canvas import INK, MARKERS, sheet
from study import palette
from study.choice.figures import TODAY, ChoiceFigures, read_figures
from study.choice.tables import mean_of, name_of

SHIFT = 5.0
"""Images by which the points of two rules are moved apart, so that their intervals can be told apart."""


def drawings() -> Iterator[tuple[str, Callable[[], Figure]]]:
    """(stem, how it is drawn)."""
    yield "study-choice", partial(choices, read_figures())


def choices(found: ChoiceFigures) -> Figure:
    """How near the choices are, and how often they break the promise, over validation images."""
    numbers = sorted({row.images for row in found.counted})
    places = len({(row.pair, row.seed) for row in found.counted})
    figure = sheet(
        3.6,
        f"Replay on {places} pairs and seeds that no setting was tuned on. Left: choices at most 2 points "
        "less robust and less clean than what the judging images would have picked. Right: choices worse "
        "than plain transfer's best beyond chance. Means over pairs and seeds with Student's 95 % interval.",
    )
    near, broken = figure.subplots(1, 2)
    rules = list(found.taken())
    for at, rule in enumerate(rules):
        look: dict[str, Any] = {
            "color": INK if rule == TODAY else palette.PLAIN if rule == "plain" else palette.COLOURS[at],
            "marker": MARKERS[at],
            "markersize": 4,
            "linewidth": 1.1,
            "label": name_of(rule),
        }
        shift = SHIFT * (at - (len(rules) - 1) / 2)
        for axes, what in ((near, "near"), (broken, "broken")):
            figures = [mean_of(found.counted, rule, what, n) for n in numbers]
            across = [n + shift for n in numbers]
            axes.plot(across, [100 * mean for mean, _, _ in figures], **look)
            for place, (_, low, high) in zip(across, figures, strict=True):
                ends = [100 * max(0.0, low), 100 * min(1.0, high)]
                axes.plot([place, place], ends, color=look["color"], linewidth=0.7)
    for axes, title in ((near, "near to the best choice"), (broken, "worse than plain transfer")):
        axes.set_title(title, fontsize=9)
        axes.set_xticks(numbers)
        axes.set_xlabel("validation images")
        axes.set_ylabel("% of choices")
        axes.set_ylim(bottom=0)
    figure.legend(*near.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=7.5)
    return figure
