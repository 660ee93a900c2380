"""The study on one page: means over the seeds at one depth and epoch, with intervals over the seeds.

Nothing is chosen: every student has the same number of tuned blocks and is examined after its last epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from matplotlib.figure import Figure

from cartl_core.render.plots.canvas import sheet
from cartl_core.statistics.intervals import mean_interval
from study import palette
from study.ablations import Drawing
from study.compare import HEADLINE, Point, accuracy, difference, last
from study.marks import table
from study.study_results import StudyResults

PLAIN = "vanilla"
METHODS: dict[str, tuple[str, int]] = {
    "turned-mild": ("consistent tuning, weight 1", 6),
    "turned": ("consistent tuning, weight 4", 6),
    "adversarial-25": ("adversarial tuning, a quarter of the radius", 6),
    "cartl": ("CARTL as published", 4),
}
"""Each method's name for people, and the number of tuned blocks at which it was run on most seeds."""
FEWEST_SEEDS = 2
"""An interval over seeds needs two of them."""
Interval = tuple[float, float, float]


@dataclass(frozen=True)
class Row:
    """One method on one pair; accuracies are means over ``seeds``, differences are from plain transfer.

    Attributes:
        robust: difference in PGD-100 accuracy: mean, low, high (95 %, Student's t over the seeds).
        clean: difference in clean accuracy, likewise.
    """

    pair: str
    method: str
    k: int
    seeds: int
    plain: tuple[float, float]
    own: tuple[float, float]
    robust: Interval
    clean: Interval


def rows(results: StudyResults) -> list[Row]:
    """Every method on every pair where two seeds or more were run beside plain transfer."""
    made = []
    for pair in results.pairs():
        for method, (_, k) in METHODS.items():
            both = list(_beside_plain(results, pair, method, k))
            if len(both) >= FEWEST_SEEDS:
                made.append(_row(pair, method, k, both))
    return made


def summary(results: StudyResults) -> str:
    """The table of means with 95 % intervals over seeds."""
    lines = [
        [
            row.pair,
            METHODS[row.method][0],
            str(row.k),
            str(row.seeds),
            _pair_of(row.plain),
            _pair_of(row.own),
            _points(row.robust),
            _points(row.clean),
        ]
        for row in rows(results)
    ]
    head = (
        "pair|method|k|seeds|plain transfer, clean / robust|this method, clean / robust"
        "|robust, points (95 %)|clean, points (95 %)"
    )
    return table(head, lines)


def drawings(results: StudyResults) -> Iterator[Drawing]:
    """(stem, how it is drawn) of the figure, where there are rows for it."""
    found = rows(results)
    if found:
        yield "study-summary", partial(forest, found)


def forest(found: list[Row]) -> Figure:
    """Differences from plain transfer and their intervals over seeds, a line a method and pair."""
    figure = sheet(
        0.28 * len(found) + 1.4,
        "Differences from plain transfer with the same number of tuned blocks after the last epoch, in "
        "points of test accuracy: mean over seeds and Student's 95 % interval. PGD-100 on 1,000 test "
        "images, clean on 4,000.",
    )
    robust, clean = figure.subplots(1, 2, sharey=True)
    colours = dict(zip(METHODS, palette.COLOURS, strict=False))
    named: set[str] = set()
    for place, row in enumerate(found):
        name = METHODS[row.method][0] if row.method not in named else None
        named.add(row.method)
        for axes, (mean, low, high) in ((robust, row.robust), (clean, row.clean)):
            colour = colours[row.method]
            axes.plot([100 * low, 100 * high], [place, place], color=colour, linewidth=1.4)
            axes.plot([100 * mean], [place], marker="o", markersize=4.5, color=colour, label=name)
    for axes, title in ((robust, "robust accuracy (PGD-100)"), (clean, "clean accuracy")):
        axes.axvline(0.0, color=palette.PLAIN, linewidth=0.8)
        axes.set_title(title, fontsize=8.5)
        axes.set_xlabel("points more than plain transfer", fontsize=8)
    robust.set_yticks(range(len(found)), [_line(row) for row in found])
    robust.invert_yaxis()
    for place in range(1, len(found)):
        if found[place].pair != found[place - 1].pair:
            for axes in (robust, clean):
                axes.axhline(place - 0.5, color=palette.PLAIN, linewidth=0.4)
    figure.legend(*robust.get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=7.5)
    return figure


def _beside_plain(results: StudyResults, pair: str, method: str, k: int) -> Iterator[tuple[Point, Point]]:
    """(plain transfer, the method) of each seed on which both were run, the later seeds included."""
    for other, seed in results.everywhere():
        if other != pair:
            continue
        of_k = {
            row["method"]: last(row)
            for row in results.of_seed(pair, seed).cells(pair, seed)
            if row["k"] == k and last(row).outcome is not None
        }
        if PLAIN in of_k and method in of_k:
            yield of_k[PLAIN], of_k[method]


def _row(pair: str, method: str, k: int, both: list[tuple[Point, Point]]) -> Row:
    def mean(points: list[Point]) -> tuple[float, float]:
        clean, robust = (fmean(accuracy(point, attack) for point in points) for attack in (None, HEADLINE))
        return clean, robust

    def over_seeds(attack: str | None) -> Interval:
        return mean_interval([difference(own, plain, attack).value for plain, own in both])

    return Row(
        pair,
        method,
        k,
        len(both),
        plain=mean([plain for plain, _ in both]),
        own=mean([own for _, own in both]),
        robust=over_seeds(HEADLINE),
        clean=over_seeds(None),
    )


def _line(row: Row) -> str:
    return f"{row.pair}, {row.seeds} seeds"


def _pair_of(accuracies: tuple[float, float]) -> str:
    return " / ".join(f"{100 * value:.1f}" for value in accuracies)


def _points(found: Interval) -> str:
    mean, low, high = (100 * value for value in found)
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"
