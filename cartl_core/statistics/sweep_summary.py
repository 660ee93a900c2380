"""What a sweep found: a row for each setting over its seeds, the best one, the Pareto front.

Chosen by validation figures alone. Test figures are shown of the settings that were chosen, once every job
has ended: a person who could see those of the others would choose by the test
images, and a figure that was chosen by is no estimate any more (Cawley and Talbot 2010).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from cartl_core.report import Validation
from cartl_core.report.values import Interval, Value
from cartl_core.spec import AttackSpec, Method
from cartl_core.statistics.checkpoint_selection import by_preference
from cartl_core.statistics.front_area import FrontArea, area_over_seeds
from cartl_core.statistics.intervals import mean_interval


class Setting(Value):
    """What the jobs of a row have in common."""

    method: Method
    freeze_depth: int
    k: int = Field(description="Blocks fine-tuned: the paper's k.")
    beta: float | None = Field(description="`transfer.beta`; null where the method does not use it.")
    fdm_weight: float | None = Field(description="`pretrain.fdm_weight`, likewise.")


class SeedMean(Value):
    """A mean over seeds with its interval."""

    value: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    seeds: int = Field(ge=1)
    images: int = Field(ge=0, description="Of each seed; the fewest where they differ.")
    interval: Literal["t", "wilson"] = Field(
        description="`t`: of Student, over the seeds, how much other seeds would differ; `wilson`: of one "
        "seed, over its images, which says nothing of other seeds."
    )
    confidence: float = Field(default=0.95, gt=0, lt=1)


class Measured(Value):
    """Clean and robust accuracy of a setting."""

    clean: SeedMean
    robust: SeedMean


class SettingRow(Value):
    """One setting: its jobs, its figures, whether it was chosen."""

    setting: Setting
    jobs: tuple[str, ...]
    seeds: tuple[int, ...] = Field(description="Seeds that have finished; the figures are over these.")
    unfinished: int = Field(ge=0, description="Jobs that may still bring a figure.")
    failed: int = Field(ge=0, description="Jobs that ended without one.")
    validation: Measured | None = Field(description="What is chosen by; null before a seed has finished.")
    on_front: bool = Field(
        description="On validation images no other setting is as good in both figures and better in one."
    )
    best: bool = Field(description="The most robust within the margin of the highest clean accuracy.")
    test: Measured | None = Field(
        description="Of chosen settings alone, once all jobs have ended. Robust: the worst case, all attacks."
    )


class SweepTable(Value):
    """All settings of a sweep. Before ``complete`` what is best may change, and no test figure is shown."""

    complete: bool = Field(description="Every job has ended.")
    margin: float
    attacks: tuple[AttackSpec, ...] = Field(description="On validation images; one where all is comparable.")
    rows: tuple[SettingRow, ...]
    warnings: tuple[str, ...] = ()
    areas: tuple[FrontArea, ...] = Field(
        default=(), description="Of each method that has a figure: the area under the front of its settings."
    )


@dataclass(frozen=True)
class Trial:
    """One job of a sweep, as far as it is known.

    Attributes:
        ended: nothing more will come of it, unless it is retried.
        validation: None before it has succeeded.
        clean, robust: on the test images, robust in the worst case; likewise.
    """

    job: str
    setting: Setting
    seed: int
    ended: bool
    validation: Validation | None = None
    clean: Interval | None = None
    robust: Interval | None = None


def sweep_table(trials: Sequence[Trial], margin: float) -> SweepTable:
    """Trials of one setting become a row, in the order in which settings first occur.

    Args:
        margin: of clean accuracy, as a fraction, that the best may lie below the highest.
    """
    settings = dict.fromkeys(trial.setting for trial in trials)
    grouped = [[trial for trial in trials if trial.setting == setting] for setting in settings]
    figures = [_measured(group, lambda trial: _pair(trial.validation)) for group in grouped]
    judged = {
        at: (found.clean.value, found.robust.value) for at, found in enumerate(figures) if found is not None
    }
    front, best = pareto_front(judged), next(iter(by_preference(judged, margin)), None)
    complete = all(trial.ended for trial in trials)
    rows = tuple(
        _row(group, figures[at], on_front=at in front, best=at == best, complete=complete)
        for at, group in enumerate(grouped)
    )
    attacks = dict.fromkeys(trial.validation.attack for trial in trials if trial.validation is not None)
    return SweepTable(
        complete=complete,
        margin=margin,
        attacks=tuple(attacks),
        rows=rows,
        warnings=tuple(_warnings(rows, len(attacks))),
        areas=tuple(_areas(grouped)),
    )


def pareto_front(figures: dict[int, tuple[float, float]]) -> frozenset[int]:
    """Those that no other is at least as good as in both figures and better than in one; equals stay."""
    front: set[int] = set()
    highest = -1.0
    # By falling first figure: one that comes later must exceed all second figures so far.
    for at in sorted(figures, key=lambda at: (-figures[at][0], -figures[at][1])):
        twin = any(figures[at] == figures[other] for other in front)
        if figures[at][1] > highest or twin:
            front.add(at)
            highest = max(highest, figures[at][1])
    return frozenset(front)


def _areas(grouped: Sequence[Sequence[Trial]]) -> Iterator[FrontArea]:
    """On validation images, in the order in which methods first occur."""
    for method in dict.fromkeys(group[0].setting.method for group in grouped):
        settings = [
            {
                trial.seed: (trial.validation.clean.value, trial.validation.robust.value)
                for trial in group
                if trial.validation is not None
            }
            for group in grouped
            if group[0].setting.method == method
        ]
        area = area_over_seeds(method, settings)
        if area is not None:
            yield area


def _row(
    group: Sequence[Trial], found: Measured | None, *, on_front: bool, best: bool, complete: bool
) -> SettingRow:
    finished = [trial for trial in group if trial.validation is not None]
    unfinished = sum(not trial.ended for trial in group)
    return SettingRow(
        setting=group[0].setting,
        jobs=tuple(trial.job for trial in group),
        seeds=tuple(trial.seed for trial in finished),
        unfinished=unfinished,
        failed=len(group) - unfinished - len(finished),
        validation=found,
        on_front=on_front,
        best=best,
        test=_measured(group, _tested) if complete and (on_front or best) else None,
    )


def _pair(figures: Validation | None) -> tuple[Interval, Interval] | None:
    return None if figures is None else (figures.clean, figures.robust)


def _tested(trial: Trial) -> tuple[Interval, Interval] | None:
    """Over the same seeds as the validation figures; None where nothing was attacked."""
    if trial.validation is None or trial.clean is None or trial.robust is None:
        return None
    return trial.clean, trial.robust


def _measured(
    group: Sequence[Trial], of: Callable[[Trial], tuple[Interval, Interval] | None]
) -> Measured | None:
    found = [pair for trial in group if (pair := of(trial)) is not None]
    if not found:
        return None
    return Measured(
        clean=over_seeds([clean for clean, _ in found]), robust=over_seeds([robust for _, robust in found])
    )


def over_seeds(figures: Sequence[Interval]) -> SeedMean:
    """The mean over seeds (one or more) with Student's interval; of a single seed its own, Wilson's."""
    one = figures[0]
    images = min(figure.n for figure in figures)
    if len(figures) == 1:
        return SeedMean(
            value=one.value,
            low=one.low,
            high=one.high,
            seeds=1,
            images=images,
            interval="wilson",
            confidence=one.confidence,
        )
    mean, low, high = mean_interval([figure.value for figure in figures], one.confidence)
    return SeedMean(
        value=min(1.0, mean),
        low=max(0.0, low),
        high=min(1.0, high),
        seeds=len(figures),
        images=images,
        interval="t",
        confidence=one.confidence,
    )


def _warnings(rows: Sequence[SettingRow], attacks: int) -> Iterator[str]:
    if attacks > 1:
        yield (
            "The settings were attacked in different ways on validation images (adversarial fine-tuning "
            "uses its own inner attack there), so their robust figures are not strictly comparable."
        )
    if len({len(row.seeds) for row in rows if row.seeds}) > 1:
        yield "The settings have different numbers of finished seeds, so their means are not equally certain."
    if any(row.failed for row in rows):
        yield "Some jobs ended without a figure; the means are over the others."
