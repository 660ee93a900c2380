"""A sweep as Markdown: one row a setting, chosen ones marked."""

from __future__ import annotations

from collections.abc import Iterator

from cartl_core.render import numbers, phrases
from cartl_core.render.markdown.tables import table
from cartl_core.statistics.front_area import FrontArea
from cartl_core.statistics.sweep_summary import Measured, SeedMean, SettingRow, SweepTable

HEAD = (
    "method",
    "freeze depth",
    "k",
    "beta",
    "lambda",
    "seeds",
    "clean (validation)",
    "robust (validation)",
    "chosen",
    "clean (test)",
    "robust (test)",
)
AREA_HEAD = ("method", "area under its front", "settings", "seeds")
NOTHING = "\u2013"
INTERVALS = {
    "t": "Student's 95 % interval over the seeds",
    "wilson": "of one seed alone, Wilson's 95 % interval over its images, which says nothing of other seeds",
}


def render_sweep(found: SweepTable, name: str | None) -> str:
    """The table with what it was chosen by, in Markdown."""
    return "\n".join(_lines(found, name))


def _lines(found: SweepTable, name: str | None) -> Iterator[str]:
    yield f"# Sweep{f': {_plain(name)}' if name else ''}"
    yield ""
    for warning in found.warnings:
        yield f"> {warning}"
        yield ""
    yield from table(HEAD, map(_row, found.rows))
    yield (
        "Chosen by validation figures alone: `best` is the most robust within "
        f"{numbers.percent(found.margin)} of the highest clean accuracy; `front`: no other is as good in "
        "both "
        "figures and better in one."
    )
    if found.complete:
        yield "Test figures are of chosen settings only; robust there is the worst case over all attacks."
    else:
        yield "Not all jobs have ended: what is chosen may change, and no test figure is shown yet."
    kinds = dict.fromkeys(mean.interval for mean in _means(found))
    if kinds:
        yield f"In brackets: {'; '.join(INTERVALS[kind] for kind in sorted(kinds))}."
    for attack in found.attacks:
        yield (
            f"Robust on validation images: {attack.name.upper()}, {attack.norm}, "
            f"eps {numbers.radius(attack.eps)}, {attack.steps} steps."
        )
    yield ""
    if found.areas:
        yield from table(AREA_HEAD, map(_area, found.areas))
        yield (
            "The area under a front is the share of the square of clean and robust accuracy that some "
            "setting of the method reaches or exceeds, on validation images; in brackets Student's 95 % "
            "interval over seeds. More settings reach farther: compare methods with as many."
        )
        yield ""


def _area(area: FrontArea) -> tuple[str, ...]:
    interval = "" if area.low is None or area.high is None else f" ({area.low:.3f} to {area.high:.3f})"
    return (
        phrases.method(area.method),
        f"{area.value:.3f}{interval}",
        str(area.settings),
        str(len(area.seeds)),
    )


def _row(row: SettingRow) -> tuple[str, ...]:
    setting = row.setting
    asked = len(row.jobs)
    return (
        phrases.method(setting.method),
        str(setting.freeze_depth),
        str(setting.k),
        numbers.number(setting.beta),
        numbers.number(setting.fdm_weight),
        str(asked) if len(row.seeds) == asked else f"{len(row.seeds)} of {asked}",
        *_pair(row.validation),
        " and ".join(name for name, is_so in (("best", row.best), ("front", row.on_front)) if is_so),
        *_pair(row.test),
    )


def _pair(figures: Measured | None) -> tuple[str, str]:
    return (NOTHING, NOTHING) if figures is None else (_mean(figures.clean), _mean(figures.robust))


def _mean(mean: SeedMean) -> str:
    return f"{numbers.percent(mean.value)} ({100 * mean.low:.1f} to {100 * mean.high:.1f})"


def _means(found: SweepTable) -> Iterator[SeedMean]:
    for row in found.rows:
        for figures in (row.validation, row.test):
            if figures is not None:
                yield from (figures.clean, figures.robust)


def _plain(name: str) -> str:
    """A name that cannot become markup."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>()#+!|" else letter for letter in name)
