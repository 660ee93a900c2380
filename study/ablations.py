"""What one choice at a time does to plain transfer, and what the teacher's radius does to every method.

Points in the plane of clean and robust test accuracy after the last epoch: towards the upper right is a gain,
along the falling diagonal only another point of the same dial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from cartl_core.render.plots.canvas import INK, MARKERS, sheet
from cartl_core.statistics.proportions import wilson
from study import palette
from study.compare import HEADLINE, accuracy, last
from study.evaluation import robust_images
from study.rows import Row
from study.study_results import USUAL_K, StudyResults

PLAIN = "vanilla"
EXPLANATIONS: dict[str, dict[str, str]] = {
    "batch norm": {
        "vanilla-running": "trunk: running",
        "vanilla-recalibrated": "trunk: recalibrated",
        "vanilla-frozen-affine": "tail: frozen affine",
        "vanilla-tail-teacher": "tail: teacher's",
    },
    "CARTL's beta": {"cartl-04": "0.4", "cartl": "0.6", "cartl-10": "1"},
    "length and pace": {
        "vanilla-short-teacher": "teacher: 3 epochs of 9",
        "vanilla-slow": "rate 0.01",
        "vanilla-fast": "rate 0.2",
    },
    "another teacher": {
        "spread": "spread",
        "relative": "relative",
        "cosine": "cosine",
        "vanilla-several": "several radii",
        "vanilla-far": "1.5 eps",
    },
}
"""By the title of its panel: methods that differ from plain transfer by one choice, and its name."""
FARTHER = {"vanilla": "vanilla-far", "turned-mild": "turned-mild-far"}
"""Each method from the teacher of eps, and from the one of a larger radius."""
FARTHER_K = 6
LOOKS: dict[str, str] = {"vanilla": palette.PLAIN, "turned-mild": palette.COLOURS[0]}
COLOURS = (palette.PLAIN, *palette.COLOURS)
"""The first is that of plain transfer, as everywhere."""

Drawing = tuple[str, Callable[[], Figure]]


def drawings(results: StudyResults) -> Iterator[Drawing]:
    """(stem, how it is drawn) of each figure that there are rows for."""
    for pair, seed in explained(results):
        yield f"study-why-{pair}", partial(why, results, pair, seed)
    if farther_pairs(results):
        yield "study-farther", partial(farther, results)


def explained(results: StudyResults) -> Iterator[tuple[str, int]]:
    """(pair, seed) where every panel has something to show beside plain transfer."""
    for pair, seed in results.counted():
        ends = _ends(results, pair, seed, USUAL_K)
        if PLAIN in ends and all(named.keys() & ends.keys() for named in EXPLANATIONS.values()):
            yield pair, seed


def why(results: StudyResults, pair: str, seed: int) -> Figure:
    """A panel an explanation: plain transfer, and what one other choice makes of it."""
    rules, facts = results.plan.rules, results.plan.pairs[pair]
    figure = sheet(
        4.8,
        f"{facts.title}, seed {seed}, k {USUAL_K}, after the last epoch. Up: PGD-100 at eps {facts.eps:.4g} "
        f"on {rules.attacked_images} test images; across: clean on {rules.test_images}; bars: 95 %. Each "
        "point differs from plain transfer by the one choice that is named (CARTL's also by FDM and NEFT).",
    )
    ends = _ends(results, pair, seed, USUAL_K)
    panels = figure.subplots(2, 2, sharex=True, sharey=True).flatten()
    for axes, (title, named) in zip(panels, EXPLANATIONS.items(), strict=True):
        shown = {PLAIN: "plain", **{method: name for method, name in named.items() if method in ends}}
        for (method, name), colour, marker in zip(shown.items(), COLOURS, MARKERS, strict=False):
            _dot(axes, ends[method], name, colour, marker)
        axes.set_title(title, fontsize=9, color=INK)
        axes.legend(fontsize=6.5, loc="lower left")
    _name_edges(panels, 2)
    return figure


def farther_pairs(results: StudyResults) -> list[str]:
    """Pairs with a method from both teachers at the same k, the comparison's other seeds counted."""
    return [pair for pair in results.pairs() if any(_moves(results, pair))]


def farther(results: StudyResults) -> Figure:
    """A panel a pair: from the teacher of eps, a dot, to the one of 1.5 eps, a tip; a line a seed."""
    pairs = farther_pairs(results)
    figure = sheet(
        1.1 + 2.1 * ((len(pairs) + 1) // 2),
        f"k {FARTHER_K}, after the last epoch, test images: PGD-100 at the pair's eps against clean "
        "accuracy; the axes differ. Each arrow is a seed: from the student of the teacher that was trained "
        "within eps to that of the one trained within 1.5 eps, all else equal. Grey: plain transfer. Blue: "
        "turned-mild.",
    )
    panels = figure.subplots((len(pairs) + 1) // 2, 2, squeeze=False).flatten()
    for axes, pair in zip(panels, pairs, strict=False):
        for method, before, after in _moves(results, pair):
            start, end = (tuple(100 * value for value in _place(row)) for row in (before, after))
            axes.plot(*[[value] for value in start], marker="o", markersize=3.5, color=LOOKS[method])
            axes.annotate(
                "", end, start, arrowprops={"arrowstyle": "->", "color": LOOKS[method], "linewidth": 1.1}
            )
            axes.plot(*[[value] for value in end], marker="o", markersize=0.1, color=LOOKS[method])
        axes.set_title(pair, fontsize=9, color=INK)
    for axes in panels[len(pairs) :]:
        axes.set_visible(False)
    _name_edges(panels[: len(pairs)], 2)
    return figure


def _moves(results: StudyResults, pair: str) -> Iterator[tuple[str, Row, Row]]:
    """(method, its cell from the teacher of eps, the one from the farther) at each seed that has both."""
    for name, seed in results.everywhere():
        if name == pair:
            ends = _ends(results.of_seed(pair, seed), pair, seed, FARTHER_K)
            for near, far in FARTHER.items():
                if near in ends and far in ends:
                    yield near, ends[near], ends[far]


def _ends(results: StudyResults, pair: str, seed: int, k: int) -> dict[str, Row]:
    return {row["method"]: row for row in results.cells(pair, seed) if row["k"] == k}


def _place(row: Row) -> tuple[float, float]:
    return accuracy(last(row), None), accuracy(last(row), HEADLINE)


def _dot(axes: Any, row: Row, name: str, colour: str, marker: str) -> None:
    outcome = last(row).outcome
    assert outcome is not None
    bars = []
    for value, attack in zip(_place(row), (None, HEADLINE), strict=True):
        robust = robust_images(outcome, attack)
        interval = wilson(sum(robust), len(robust))
        bars.append([[100 * (value - interval.low)], [100 * (interval.high - value)]])
    where = [100 * value for value in _place(row)]
    look = {"markersize": 5, "linewidth": 0.8, "color": colour, "label": name}
    axes.errorbar(*where, xerr=bars[0], yerr=bars[1], fmt=marker, **look)


def _name_edges(panels: Iterable[Any], columns: int) -> None:
    drawn = list(panels)
    for place, axes in enumerate(drawn):
        axes.set_xlabel("clean accuracy, %" if place >= len(drawn) - columns else "")
        axes.set_ylabel("PGD-100, %" if place % columns == 0 else "")
