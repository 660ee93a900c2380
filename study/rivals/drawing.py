"""The figure of docs/study/rivals.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from matplotlib.figure import Figure

from cartl_core.render.plots.canvas import MARKERS, sheet
from study import palette
from study.rivals.choices import rivals
from study.rivals.comparisons import Line, beside_rivals, finished, read
from study.rivals.plan import RivalsPlan


def drawings() -> Iterator[tuple[str, Callable[[], Figure]]]:
    """(stem, how it is drawn), where there are rows for it."""
    plan, results = read()
    found = [line for line in beside_rivals(plan, finished(plan, results)) if line.robust and line.clean]
    if found:
        yield "study-rivals", partial(forest, plan, found)


def forest(plan: RivalsPlan, found: Sequence[Line]) -> Figure:
    """What ours has more than each rival, a line a rival, a colour a pair."""
    names = [name for name in rivals(plan) if name in {line.name for line in found}]
    pairs = list(dict.fromkeys(line.pair for line in found))
    rules = plan.rules
    figure = sheet(
        0.33 * len(names) + 1.3,
        "consistent less each rival, in points of test accuracy: mean over seeds and Student's 95 % "
        "interval. Each at its choice on validation images, consistent as clean as the rival there. "
        f"PGD-20 on {rules.attacked_images} test images, clean on {rules.test_images:,}.",
    )
    robust, clean = figure.subplots(1, 2, sharey=True)
    named: set[str] = set()
    for line in found:
        at = pairs.index(line.pair)
        colour = palette.COLOURS[at]
        place = names.index(line.name) + 0.22 * (at - (len(pairs) - 1) / 2)
        for axes, interval in ((robust, line.robust), (clean, line.clean)):
            assert interval is not None
            mean, low, high = (100 * value for value in interval)
            label = f"{line.pair}, {line.seeds} seeds" if line.pair not in named and axes is robust else None
            axes.plot([low, high], [place, place], color=colour, linewidth=1.3)
            axes.plot(
                [mean], [place], marker=MARKERS[at], markersize=4.5, color=colour, label=label, linestyle=""
            )
        named.add(line.pair)
    for axes, title in ((robust, "robust accuracy (PGD-20)"), (clean, "clean accuracy")):
        axes.axvline(0.0, color=palette.PLAIN, linewidth=0.8)
        axes.set_title(title, fontsize=8.5)
        axes.set_xlabel("points more than the rival", fontsize=8)
    robust.set_yticks(range(len(names)), [_plain(rivals(plan)[name]) for name in names], fontsize=7.5)
    robust.invert_yaxis()
    figure.legend(
        *robust.get_legend_handles_labels(), loc="outside upper center", ncols=len(pairs), fontsize=7.5
    )
    return figure


def _plain(title: str) -> str:
    """Without the marks of code, which a figure does not have."""
    return title.replace("`", "")
