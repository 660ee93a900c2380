"""The tables of docs/study/rivals.md."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

from cartl_core.statistics.intervals import mean_interval
from study.evaluation import robust_images
from study.marks import table
from study.plan import cells
from study.rivals.choices import ATTACK, rivals
from study.rivals.comparisons import (
    Interval,
    Line,
    across_domains,
    areas,
    beside_rivals,
    finished,
    read,
)
from study.rivals.plan import RivalsPlan
from study.study_results import StudyResults

Made = Callable[[RivalsPlan, StudyResults], str]


def made() -> dict[str, Callable[[], str]]:
    """Each table by its name on the page, of the committed rows."""
    of_all: dict[str, Made] = {
        "rivals": beside,
        "rivals-areas": under_fronts,
        "rivals-domains": domains,
        "rivals-teachers": teachers,
        "rivals-progress": progress,
    }

    def of_committed(name: str) -> str:
        plan, results = read()
        return of_all[name](plan, results)

    return {name: lambda name=name: of_committed(name) for name in of_all}  # type: ignore[misc]


def beside(plan: RivalsPlan, results: StudyResults) -> str:
    """Ours beside each rival."""
    titles = rivals(plan)
    lines = [
        [line.pair, titles[line.name], str(line.seeds), _both(line.second), _both(line.first), *_moved(line)]
        for line in beside_rivals(plan, finished(plan, results))
    ]
    head = (
        "pair|rival|seeds|rival, clean / robust|`consistent` beside it, clean / robust"
        "|robust, points (95 %)|clean, points (95 %)"
    )
    return table(head, lines)


def domains(plan: RivalsPlan, results: StudyResults) -> str:
    """Every method beside plain tuning from the usual teacher."""
    lines = [
        [
            line.pair,
            plan.methods[line.name].title,
            str(line.seeds),
            _both(line.second),
            _both(line.first),
            *_moved(line),
        ]
        for line in across_domains(plan, results)
    ]
    head = (
        "pair|method|seeds|plain transfer, clean / robust|this method, clean / robust"
        "|robust, points (95 %)|clean, points (95 %)"
    )
    return table(head, lines)


def under_fronts(plan: RivalsPlan, results: StudyResults) -> str:
    """The area under the front of each method's epochs, beside that of plain transfer."""
    lines = []
    for pair, name, both in areas(plan, finished(plan, results)):
        plain, own = (fmean(values) for values in zip(*both, strict=True))
        moved = [second - first for first, second in both]
        found = f"{moved[0]:+.3f}"
        if len(both) > 1:
            found = "{:+.3f} ({:+.3f} to {:+.3f})".format(*mean_interval(moved))
        title = plan.methods[name].title
        lines.append([pair, title, str(len(both)), f"{plain:.3f}", f"{own:.3f}", found])
    return table("pair|method|seeds|plain transfer|this method|difference (95 %)", lines)


def teachers(plan: RivalsPlan, results: StudyResults) -> str:
    """How good the teachers are on test images of their source."""
    lines = []
    for pair in plan.pairs:
        rows = [row for seed in results.seeds(pair) for row in results.teachers(pair, seed)]
        for name in dict.fromkeys(row["teacher"] for row in rows):
            held = [
                [robust_images(row["outcome"], attack) for attack in (None, ATTACK)]
                for row in rows
                if row["teacher"] == name
            ]
            clean, robust = (fmean(sum(one[at]) / len(one[at]) for one in held) for at in (0, 1))
            lines.append([pair, name, str(len(held)), _both((clean, robust))])
    return table("pair|teacher|seeds|clean / robust on the source", lines)


def progress(plan: RivalsPlan, results: StudyResults) -> str:
    """Of each pair, what of the plan was run."""
    lines = []
    for pair in plan.pairs:
        done = {
            (row["seed"], row["cell"]) for seed in results.seeds(pair) for row in results.cells(pair, seed)
        }
        seeds = sorted({seed for seed, _ in done})
        whole = sorted({row["seed"] for row in finished(plan, results).rows[pair]})
        planned = sum(1 for _ in cells(plan, pair))
        lines.append([pair, _listed(whole), _listed(seeds), str(len(done)), str(planned)])
    return table("pair|seeds compared|seeds begun|cells finished|cells planned", lines)


def points(found: Interval) -> str:
    """A difference in points with its interval."""
    mean, low, high = (100 * value for value in found)
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def _listed(seeds: list[int]) -> str:
    return ", ".join(map(str, seeds)) or "none"


def _moved(line: Line) -> list[str]:
    at = ((line.robust, 1), (line.clean, 0))
    return [
        f"{100 * (line.first[place] - line.second[place]):+.1f}" if found is None else points(found)
        for found, place in at
    ]


def _both(accuracies: tuple[float, float]) -> str:
    return " / ".join(f"{100 * value:.1f}" for value in accuracies)
