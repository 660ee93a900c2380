"""The tables of docs/study/choice.md, from the committed figures of the replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean

from cartl_core.statistics.intervals import mean_interval
from study.choice.figures import NEAREST, TODAY, ChoiceFigures, read_figures
from study.choice.plan import Decision, Rule, read_plan
from study.choice.replay import Judged
from study.choice.stopping import Stopped
from study.marks import table

Interval = tuple[float, float, float]
NAMES = {
    TODAY: "today's rule",
    "paired": "margin by a paired test",
    "shrunk": "shrunk figures",
    "cross-fitted": "cross-fitted",
    "plain": "plain transfer always",
}
"""Of the families, for people."""
NEVER = 1e3
"""Standard errors that no lead reaches."""


def over_pairs(rows: Sequence[Judged], rule: str, figure: str, images: int | None = None) -> dict[str, float]:
    """A figure of a rule by pair and seed: the mean over the numbers of images, or at one of them."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.rule == rule and images in (None, row.images):
            found.setdefault(f"{row.pair}/{row.seed}", []).append(getattr(row, figure))
    return {place: fmean(values) for place, values in found.items()}


def mean_of(rows: Sequence[Judged], rule: str, figure: str, images: int | None = None) -> Interval:
    """Its mean over pairs and seeds with Student's 95 % interval."""
    return mean_interval(list(over_pairs(rows, rule, figure, images).values()))


def beside_today(rows: Sequence[Judged], rule: str, figure: str) -> Interval:
    """The difference from today's rule, by pair and seed."""
    today = over_pairs(rows, TODAY, figure)
    return mean_interval([value - today[place] for place, value in over_pairs(rows, rule, figure).items()])


def wins(rows: Sequence[Judged], rule: str, decision: Decision) -> bool:
    """Whether a rule takes today's place, as the plan says."""
    if rule == TODAY or rule.endswith(NEAREST):
        return False
    _, low, _ = beside_today(rows, rule, "near")
    no_worse = all(beside_today(rows, rule, figure)[0] <= 0 for figure in ("broken", "broken_points"))
    return low > 0 and no_worse and beside_today(rows, rule, "gain")[0] >= decision.least_gain


def counted(found: ChoiceFigures, decision: Decision) -> str:
    """Each rule on the counted half, over all numbers of validation images."""
    rows = found.counted
    lines = [
        [
            name_of(rule),
            _percent(mean_of(rows, rule, "near")),
            "" if rule == TODAY else _points(beside_today(rows, rule, "near")),
            _points(mean_of(rows, rule, "gain")),
            _points(mean_of(rows, rule, "clean")),
            _percent(mean_of(rows, rule, "broken")),
            _percent(mean_of(rows, rule, "broken_points")),
            "" if rule == TODAY else ("yes" if wins(rows, rule, decision) else "no"),
        ]
        for rule in found.taken()
    ]
    head = (
        "rule|near, % of choices|near, less today's, points|robust over plain's best, points|clean, points"
        "|promise broken beyond chance, %|by a point, %|takes today's place"
    )
    return table(head, lines)


def by_images(found: ChoiceFigures) -> str:
    """What more validation images are worth to each rule."""
    numbers = sorted({row.images for row in found.counted})
    lines = [
        [
            name_of(rule),
            *(
                _percent(mean_of(found.counted, rule, figure, n))
                for figure in ("near", "broken")
                for n in numbers
            ),
        ]
        for rule in found.taken()
    ]
    titles = [f"{what} with {n}, %" for what in ("near", "broken") for n in numbers]
    return table("|".join(["rule", *titles]), lines)


def by_pair(found: ChoiceFigures) -> str:
    """Today's rule pair by pair: means over seeds and numbers of images."""
    lines = []
    for pair in dict.fromkeys(row.pair for row in found.counted):
        rows = [row for row in found.counted if row.pair == pair and row.rule == TODAY]
        shares = [f"{100 * fmean(getattr(row, name) for row in rows):.1f}" for name in ("near", "broken")]
        points = [f"{100 * fmean(getattr(row, name) for row in rows):+.1f}" for name in ("gain", "clean")]
        lines.append([pair, str(len({row.seed for row in rows})), *points, *shares])
    return table("pair|seeds|robust over plain's best, points|clean, points|near, %|broken, %", lines)


def settings(found: ChoiceFigures) -> str:
    """What of each family was counted, and its figures on the tuning half."""
    lines = []
    for rule, setting in found.taken().items():
        (trial,) = [
            one for one in found.trials if one.rule == setting and one.family == rule.removesuffix(NEAREST)
        ]
        tried = sum(one.family == trial.family for one in found.trials)
        shares = [f"{100 * trial.figures[name]:.1f}" for name in ("near", "broken")]
        lines.append([name_of(rule), str(tried), _in_words(setting), *shares])
    return table("rule|settings tried|taken|near on the tuning half, %|broken there, %", lines)


def stopping(found: ChoiceFigures) -> str:
    """What stopping saves and costs, by how large a later rise is allowed for."""
    lines = []
    for quantile in sorted({row.quantile for row in found.stopping}):
        rows = [row for row in found.stopping if row.quantile == quantile]
        stopped = sum(row.stopped for row in rows)
        candidates = sum(row.candidates for row in rows)
        lines.append(
            [
                f"{100 * quantile:.0f} %",
                f"{stopped} of {candidates}",
                _percent(_over(rows, "saved")),
                f"{sum(row.changed for row in rows)} of {len(rows)}",
                _points(_over(rows, "robust")),
                _points(_over(rows, "clean")),
            ]
        )
    head = (
        "rises allowed for|candidates stopped|tuning time saved, %|another choice"
        "|robust, points|clean, points"
    )
    return table(head, lines)


def name_of(rule: str) -> str:
    """A counted rule for people."""
    family = rule.removesuffix(NEAREST)
    return NAMES[family] + (", its nearest setting" if rule != family else "")


def made() -> dict[str, Callable[[], str]]:
    """Each table by its name on the page."""
    return {
        "choice": lambda: counted(read_figures(), read_plan().decision),
        "choice-pairs": lambda: by_pair(read_figures()),
        "choice-images": lambda: by_images(read_figures()),
        "choice-settings": lambda: settings(read_figures()),
        "choice-stopping": lambda: stopping(read_figures()),
    }


def _in_words(rule: Rule) -> str:
    return ", ".join(_parts(rule))


def _parts(rule: Rule) -> Iterator[str]:
    yield f"beside the {'cleanest' if rule.reference == 'cleanest' else 'best plain'}"
    if rule.leniency:
        yield f"margin {rule.leniency:+g} standard errors"
    if rule.shrink != "none":
        yield {"all": "drawn to the mean of all", "depth": "drawn to the mean of as many tuned blocks"}[
            rule.shrink
        ]
    if rule.folds:
        yield f"{rule.folds} folds"
    yield f"lead {rule.lead:g}" if rule.lead < NEVER else "no lead is enough"


def _over(rows: Sequence[Stopped], figure: str) -> Interval:
    return mean_interval([getattr(row, figure) for row in rows])


def _percent(found: Interval) -> str:
    mean, low, high = (100 * value for value in found)
    return f"{mean:.1f} ({max(0.0, low):.1f} to {min(100.0, high):.1f})"


def _points(found: Interval) -> str:
    mean, low, high = (100 * value for value in found)
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"
