"""The report's account of a choice: every candidate on validation images, what was taken, and the promise.

Torch-free. The choice itself is ``cartl_core.statistics.candidate_selection``; here it is put down in
figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cartl_core.analysis.descriptions import differing
from cartl_core.analysis.results import StudentResult
from cartl_core.catalog import model_facts
from cartl_core.catalog.candidates import plain_ones
from cartl_core.planning.plan import StudentPlan
from cartl_core.report.comparisons import PairedComparison
from cartl_core.report.selection import Candidate, Promise, Selection, Verdict, WiderMargin
from cartl_core.spec import AutoSpec
from cartl_core.statistics.candidate_selection import (
    CandidateScore,
    ModelSelection,
    choose,
    front,
    leads,
    wider,
    within_margin,
)
from cartl_core.statistics.proportions import wilson


@dataclass(frozen=True)
class OnValidation:
    """Which of the validation images a candidate got right, and which of those the attack did not fool."""

    clean: tuple[bool, ...]
    robust: tuple[bool, ...]


def decide(
    auto: AutoSpec, candidates: Sequence[StudentPlan], found: Sequence[OnValidation], model: str
) -> ModelSelection:
    """The choice among candidates that are all measured on the same images."""
    scores = _scores(candidates, found, model)
    return choose(scores, len(found[0].clean), auto.margin, auto.lead)


def selection(
    auto: AutoSpec,
    candidates: Sequence[StudentPlan],
    *,
    model: str,
    seed: int,
    trained: Callable[[StudentPlan], StudentResult | None],
    found: Callable[[StudentPlan], OnValidation | None],
    promised: Callable[[ModelSelection], Promise | None],
) -> Selection:
    """What is known of the choice.

    Args:
        trained: the result of a candidate's tuning; None before it is finished.
        found: what was measured of a candidate; None before.
        promised: how the choice did on test images; None before that is known.
    """
    outcomes = [found(plan) for plan in candidates]
    known = [outcome for outcome in outcomes if outcome is not None]
    n = len(known[0].clean) if known else 0
    arms = [plan.arm for plan in candidates]
    settings = differing(arms)
    rows = [
        _row(number, plan, outcome, trained(plan), model, settings[plan.arm], plain)
        for number, (plan, outcome, plain) in enumerate(
            zip(candidates, outcomes, plain_ones(arms), strict=True), start=1
        )
    ]
    if len(known) < len(candidates):
        return _unmarked(auto, rows, seed, n)
    scores = _scores(candidates, known, model)
    choice = choose(scores, n, auto.margin, auto.lead)
    ahead = [None if own.baseline else leads(own, scores[choice.baseline], auto.lead) for own in scores]
    near, on_front = within_margin(scores, n, auto.margin), front(scores)
    marked = [
        row.model_copy(
            update={
                "within_margin": near[place],
                "leads": ahead[place],
                "on_front": on_front[place],
                "chosen": place == choice.chosen,
                "best_plain": place == choice.baseline,
            }
        )
        for place, row in enumerate(rows)
    ]
    return _unmarked(auto, marked, seed, n).model_copy(
        update={
            "chosen": choice.chosen + 1,
            "best_plain": choice.baseline + 1,
            "wider": tuple(
                WiderMargin(margin=margin, number=place + 1)
                for margin, place in wider(scores, n, auto.margin, auto.lead)
            ),
            "promise": promised(choice),
        }
    )


def promise(
    choice: ModelSelection, margin: float, comparisons: Sequence[PairedComparison], *, attacked: bool
) -> Promise | None:
    """Whether the chosen candidate is, on test images, never worse than plain transfer.

    Args:
        comparisons: of the chosen against the best plain candidate; empty before both are measured.
        attacked: whether the evaluation has attacks at all.
    """
    if choice.chosen == choice.baseline:
        return Promise(verdict="plain_itself")
    by_what = {comparison.what: comparison for comparison in comparisons}
    robust, clean = by_what.get("worst_case"), by_what.get("clean")
    if clean is None or (robust is None and attacked):
        return None
    if robust is None:
        return Promise(verdict="not_measured", clean=clean)
    return Promise(verdict=_verdict(robust, clean, margin), robust=robust, clean=clean)


def _verdict(robust: PairedComparison, clean: PairedComparison, margin: float) -> Verdict:
    if robust.high < 0 or clean.high < -margin:
        return "broken"
    return "kept" if clean.difference >= -margin else "unclear"


def _scores(
    candidates: Sequence[StudentPlan], found: Sequence[OnValidation], model: str
) -> list[CandidateScore]:
    blocks = model_facts(model).blocks
    return [
        CandidateScore(
            right=sum(outcome.clean),
            robust=outcome.robust,
            tuned=blocks - plan.arm.freeze_depth,
            baseline=plain,
        )
        for plan, outcome, plain in zip(
            candidates, found, plain_ones([plan.arm for plan in candidates]), strict=True
        )
    ]


def _row(
    number: int,
    plan: StudentPlan,
    outcome: OnValidation | None,
    trained: StudentResult | None,
    model: str,
    settings: str | None,
    plain: bool,
) -> Candidate:
    arm = plan.arm
    return Candidate(
        number=number,
        method=arm.method,
        freeze_depth=arm.freeze_depth,
        k=model_facts(model).blocks - arm.freeze_depth,
        plain=plain,
        settings=settings,
        teacher_digest=plan.teacher.stage.digest,
        student_digest=plan.stage.digest,
        selected_epoch=trained.selected_epoch if trained else None,
        epochs=arm.transfer.epochs,
        clean=wilson(sum(outcome.clean), len(outcome.clean)) if outcome else None,
        robust=wilson(sum(outcome.robust), len(outcome.robust)) if outcome else None,
    )


def _unmarked(auto: AutoSpec, rows: Sequence[Candidate], seed: int, n: int) -> Selection:
    return Selection(
        margin=auto.margin,
        lead=auto.lead,
        attack=auto.attack,
        seed=seed,
        n=n,
        candidates=tuple(rows),
    )
