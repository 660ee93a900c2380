"""All figures of the replay: what was tuned, what was counted, what stopping saves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated

from cartl_core.spec.base import ARRAY, SpecModel
from study.choice.candidates import all_candidates
from study.choice.plan import ChoicePlan, Replay, Rule
from study.choice.replay import FIGURES, Judged, replay
from study.choice.stopping import Stopped, later_rises, races, stop
from study.rows import RESULTS
from study.study_results import StudyResults

FIGURES_FILE = RESULTS / "choice.json"
TODAY = "today"
NEAREST = ", nearest"


class Trial(SpecModel):
    """A setting of a family on the tuning half: means over pairs, seeds and numbers of images.

    Attributes:
        taken: the nearest of those that break the promise no more often than today's rule.
        nearest: of all of the family.
    """

    family: str
    rule: Rule
    taken: bool
    nearest: bool
    figures: dict[str, float]


class ChoiceFigures(SpecModel):
    """The content of ``study/results/choice.json``."""

    trials: Annotated[tuple[Trial, ...], ARRAY]
    counted: Annotated[tuple[Judged, ...], ARRAY]
    stopping: Annotated[tuple[Stopped, ...], ARRAY]

    def taken(self) -> dict[str, Rule]:
        """The rules that were counted, by the names that they have there."""
        return counted_rules(self.trials)


def compute(results: StudyResults, plan: ChoicePlan) -> ChoiceFigures:
    """Tune, count, stop. Minutes."""
    trials = tuned(plan, tuning_rows(results, plan))
    return ChoiceFigures(
        trials=trials,
        counted=_all(
            results,
            counted_rules(trials),
            plan.replay,
            plan.replay.counted_seeds,
            plan.replay.counted_draws_seed,
        ),
        stopping=stopping(results, plan),
    )


def tuning_rows(results: StudyResults, plan: ChoicePlan) -> tuple[Judged, ...]:
    """Every setting of every family on the tuning half, named ``FAMILY#NUMBER``."""
    rules = {
        f"{name}#{number}": rule
        for name, family in plan.families.items()
        for number, rule in enumerate(family.rules())
    }
    return _all(results, rules, plan.replay, plan.replay.tuning_seeds, plan.replay.tuning_draws_seed)


def tuned(plan: ChoicePlan, rows: Sequence[Judged]) -> tuple[Trial, ...]:
    """Every setting, and which of them are counted."""
    means = {name: _means([row for row in rows if row.rule == name]) for name in {row.rule for row in rows}}
    allowed = means[f"{TODAY}#0"]["broken"]
    trials = []
    for name, family in plan.families.items():
        numbered = {f"{name}#{number}": rule for number, rule in enumerate(family.rules())}
        kept = [one for one in numbered if means[one]["broken"] <= allowed or len(numbered) == 1]
        best = max(kept, key=lambda one: means[one]["near"], default=None)
        nearest = max(numbered, key=lambda one: means[one]["near"])
        trials += [
            Trial(family=name, rule=rule, taken=one == best, nearest=one == nearest, figures=means[one])
            for one, rule in numbered.items()
        ]
    return tuple(trials)


def counted_rules(trials: Sequence[Trial]) -> dict[str, Rule]:
    """By family; the nearest of a family, where it is another one, with that word."""
    rules = {trial.family: trial.rule for trial in trials if trial.taken}
    nearest = {
        f"{trial.family}{NEAREST}": trial.rule for trial in trials if trial.nearest and not trial.taken
    }
    return rules | nearest


def stopping(results: StudyResults, plan: ChoicePlan) -> tuple[Stopped, ...]:
    """The rises of the tuning half, applied to the counted one."""
    margin, lead = plan.replay.margin, results.plan.lead
    before = list(races(results, plan.replay.tuning_seeds))
    return tuple(
        stop(race, later_rises(before, quantile), quantile, plan.stopping, margin, lead)
        for quantile in plan.stopping.rise_quantile
        for race in races(results, plan.replay.counted_seeds)
    )


def read_figures(path: Path = FIGURES_FILE) -> ChoiceFigures:
    """The committed ones."""
    return ChoiceFigures.model_validate_json(path.read_bytes())


def _all(
    results: StudyResults, rules: dict[str, Rule], plan: Replay, seeds: Sequence[int], draws_seed: int
) -> tuple[Judged, ...]:
    return tuple(
        row
        for found in all_candidates(results, seeds)
        for row in replay(found, rules, plan, draws_seed=draws_seed)
    )


def _means(rows: Sequence[Judged]) -> dict[str, float]:
    return {name: round(fmean(getattr(row, name) for row in rows), 6) for name in FIGURES}
