"""The figures of docs/study/: ``python -m study.figures`` draws those that there are rows for.

SVG for the document; PNG beside it on request, to look at.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from cartl_core.render.plots.canvas import (
    INK,
    MARKERS,
    QUIET,
    SVG,
    files,
    sheet,
)
from cartl_core.storage.atomic_write import write_whole
from study import ablations, summary
from study.choice import drawing as choice
from study.compare import HEADLINE, Point, accuracy, own
from study.palette import COLOURS, PLAIN
from study.radii import MULTIPLES, STEPS, robust_shares
from study.reasons import cells_with_radii, peak, regimes, seeds_with_radii, ways
from study.rivals import drawing as rivals
from study.rows import Row
from study.study_results import SELECTABLE, USUAL_K, StudyResults, read_results

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "figures"
DASHES = {2: (0, (1, 1)), 3: (0, (3, 1)), 4: "solid", 5: (0, (5, 1, 1, 1)), 6: (0, (4, 2)), 8: (0, (7, 2))}
SMALL: dict[str, Any] = {"fontsize": 6.5, "color": QUIET}
BESIDE: dict[str, Any] = {"textcoords": "offset points", "xytext": (4, 3)}
RING: dict[str, Any] = {"marker": "o", "markersize": 7, "fillstyle": "none"}
ABOVE: dict[str, Any] = {"loc": "outside upper center", "ncols": 8, "fontsize": 7.5}
DEPTHS = LinearSegmentedColormap.from_list("depths", ["#a9cdea", "#0b5cad", "#0a2038"])
"""Of k over the number of blocks: the more are tuned, the darker."""
HEIGHT = 4.2
FRONTIER_K = (2, 4, 6)
"""Those of every seed; with all seven no line can be told from another."""


def main(arguments: list[str]) -> int:
    """Draw all figures into ``docs/figures``, or elsewhere."""
    parser = argparse.ArgumentParser(prog="python -m study.figures", description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--png", action="store_true", help="bitmaps as well")
    asked = parser.parse_args(arguments)
    for stem, draw in (*drawings(read_results()), *choice.drawings(), *rivals.drawings()):
        for picture in files(stem, draw):
            if asked.png or picture.media_type == SVG:
                write_whole(asked.out / picture.name, picture.content)
    return 0


def drawings(results: StudyResults) -> Iterator[tuple[str, Callable[[], Figure | None]]]:
    """(stem, how it is drawn) of each figure."""
    for pair, seed in results.counted():
        if results.cells(pair, seed, *SELECTABLE):
            yield f"study-frontier-{pair}-{seed}", partial(frontier, results, pair, seed)
    for pair in results.pairs():
        if results.teachers(pair, results.seeds(pair)[0]):
            yield f"study-scale-{pair}", partial(scale, results, pair, results.seeds(pair)[0])
    for pair, seed in regimes(results):
        yield f"study-regime-{pair}", partial(regime, results, pair, seed)
    for pair, seed in seeds_with_radii(results):
        yield f"study-radii-{pair}", partial(radii, results, pair, seed)
    yield from ablations.drawings(results)
    yield from summary.drawings(results)


def frontier(results: StudyResults, pair: str, seed: int) -> Figure:
    """Clean against robust accuracy: a line a cell over its epochs; what was chosen, on test images."""
    rules, facts = results.plan.rules, results.plan.pairs[pair]
    figure = sheet(
        HEIGHT,
        f"{facts.title}, seed {seed}. Lines: after each epoch, PGD-{rules.validation_steps} on "
        f"{rules.validation_images} validation images, eps {facts.eps:.4g}; a ring is the epoch that the "
        f"cell would stop at by itself. Right: the epochs that were examined on {rules.attacked_images} test "
        f"images under PGD-100, clean on {rules.test_images}; beside them k and the epoch. "
        "References and other k are in the tables.",
    )
    way, test = figure.subplots(1, 2)
    shown: set[str] = set()
    for row in (row for row in results.cells(pair, seed, *SELECTABLE) if row["k"] in FRONTIER_K):
        look = _look(results, row)
        name = row["method"] if row["method"] not in shown else None
        shown.add(row["method"])
        clean, robust = zip(*row["validation"], strict=True)
        way.plot(clean, robust, marker=".", markersize=3, linewidth=1.1, label=name, **look)
        point = own(row)
        way.plot(
            [point.clean], [point.robust], marker="o", markersize=7, fillstyle="none", color=look["color"]
        )
        way.annotate(f"k {row['k']}", (clean[-1], robust[-1]), **BESIDE, **SMALL)
        for epoch in row["outcomes"]:
            examined = Point(row, int(epoch))
            where = (accuracy(examined, None), accuracy(examined, HEADLINE))
            test.plot(*[[value] for value in where], marker="o", markersize=5, color=look["color"])
            test.annotate(f"k {row['k']}, {epoch}", where, **BESIDE, **SMALL)
    _label(way, "validation, over the epochs", "clean accuracy", "robust accuracy")
    _label(test, "test", "clean accuracy", "")
    figure.legend(loc="outside upper center", ncols=4, fontsize=7.5)
    return figure


def scale(results: StudyResults, pair: str, seed: int) -> Figure:
    """Feature distance over spread after each block, of each teacher, on source and target."""
    figure = sheet(
        3.2,
        f"{results.plan.pairs[pair].title}, seed {seed}. PGD-10 on the teacher's own answers at eps "
        f"{results.plan.pairs[pair].eps:.4g}, 256 validation images each. Above: the mean distance that the "
        "attack moves features; below: the same over the spread of the clean features, which is what the "
        "tail sees.",
    )
    axes = figure.subplots(2, 2, sharex=True)
    # One that is not robust stands so far above that the others would be one line.
    shown = [row for row in results.teachers(pair, seed) if row["teacher"] not in results.plan.later.teachers]
    for colour, row in zip(COLOURS, shown, strict=False):
        for column, side in enumerate(("source", "target")):
            distance, spread = zip(*row["scale"][side], strict=True)
            blocks = range(1, len(distance) + 1)
            ratio = [far / wide for far, wide in zip(distance, spread, strict=True)]
            name = row["teacher"] if column == 0 else None
            axes[0][column].plot(blocks, distance, marker=".", color=colour, label=name)
            axes[1][column].plot(blocks, ratio, marker=".", color=colour)
    for column, side in enumerate(("source", "target")):
        _label(axes[0][column], side, "", "distance" if column == 0 else "")
        _label(axes[1][column], "", "after block", "over spread" if column == 0 else "")
    figure.legend(loc="outside upper center", ncols=4, fontsize=7.5)
    return figure


def regime(results: StudyResults, pair: str, seed: int) -> Figure:
    """Robust accuracy on validation images over the epochs, a line a k: plain transfer beside ours."""
    rules, facts = results.plan.rules, results.plan.pairs[pair]
    figure = sheet(
        2.9,
        f"{facts.title}, seed {seed}. PGD-{rules.validation_steps} at eps {facts.eps:.4g} on "
        f"{rules.validation_images} validation images after each epoch; a ring: the peak. k: blocks tuned "
        f"of {facts.blocks}.",
    )
    for axes, method in zip(figure.subplots(1, 2, sharey=True), ("vanilla", "turned"), strict=True):
        for row in ways(results, pair, seed, method):
            colour = DEPTHS(row["k"] / facts.blocks)
            robust = [100 * value for _, value in row["validation"]]
            axes.plot(range(1, len(robust) + 1), robust, color=colour, marker=".", label=f"k {row['k']}")
            top = peak(row)
            axes.plot([top.epoch], [100 * top.robust], **RING, color=colour)
        _label(axes, method, "epoch", "robust accuracy, %" if method == "vanilla" else "")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), **ABOVE)
    return figure


def radii(results: StudyResults, pair: str, seed: int) -> Figure:
    """Accuracy as the radius grows, a line a method; beside it how far each is ahead of plain transfer."""
    facts, found = results.plan.pairs[pair], cells_with_radii(results, pair, seed)
    images = len(found[0][1]["outcome"]["clean"])
    figure = sheet(
        2.9,
        f"{facts.title}, seed {seed}, k {USUAL_K}, after the last epoch. PGD-{STEPS} on {images} test "
        "images, the same for every method; steps of a tenth of the radius, every iterate counts. The dotted "
        f"line: eps {facts.eps:.4g}, which the teachers were trained within; those named several within "
        "a half, one and one and a half of it in turn, far within one and a half.",
    )
    whole, ahead = figure.subplots(1, 2)
    plain = next(
        (robust_shares(row_of_radii) for cell, row_of_radii in found if cell["method"] == "vanilla"), None
    )
    colours = itertools.cycle(COLOURS)
    for marker, (cell, row_of_radii) in zip(itertools.cycle(MARKERS), found, strict=False):
        colour = PLAIN if cell["method"] == "vanilla" else next(colours)
        look = {"color": colour, "marker": marker, "markersize": 4}
        robust = robust_shares(row_of_radii)
        whole.plot((0, *MULTIPLES), [100 * value for value in robust], label=cell["method"], **look)
        if plain is not None:
            gained = [100 * (ours - theirs) for ours, theirs in zip(robust, plain, strict=True)]
            ahead.plot((0, *MULTIPLES), gained, **look)
    for axes in (whole, ahead):
        axes.axvline(1, color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
    _label(whole, "PGD-20", "radius, in eps", "accuracy, %")
    _label(ahead, "ahead of plain transfer", "radius, in eps", "points")
    figure.legend(**ABOVE | {"ncols": 4})
    return figure


def _look(results: StudyResults, row: Row) -> dict[str, Any]:
    others = [name for name, recipe in results.plan.methods.items() if recipe.role != "plain"]
    plain = row["method"] not in others
    colour = PLAIN if plain else COLOURS[others.index(row["method"]) % len(COLOURS)]
    return {"color": colour, "linestyle": DASHES.get(row["k"], "solid")}


def _label(axes: Any, title: str, across: str, up: str) -> None:
    axes.set_title(title, fontsize=9, color=INK)
    axes.set_xlabel(across)
    axes.set_ylabel(up)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
