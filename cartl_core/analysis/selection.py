"""The report's account of a choice: every candidate on validation images, what was taken, and the promise.

Torch-free. The choice itself is ``cartl_core.statistics.candidate_selection``; here it is put down in
figures and words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cartl_core.analysis.descriptions import differing
from cartl_core.analysis.results import StudentResult
from cartl_core.catalog import model_facts
from cartl_core.catalog.candidates import plain_ones
from cartl_core.planning.plan import StudentPlan
from cartl_core.render import numbers, phrases
from cartl_core.report.comparisons import PairedComparison
from cartl_core.report.selection import Candidate, Promise, Selection, Verdict
from cartl_core.spec import AutoSpec
from cartl_core.statistics.candidate_selection import (
    Choice,
    Standing,
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
    held: tuple[bool, ...]


def decide(
    auto: AutoSpec, candidates: Sequence[StudentPlan], found: Sequence[OnValidation], model: str
) -> Choice:
    """The choice among candidates that are all measured on the same images."""
    standings = _standings(candidates, found, model)
    return choose(standings, len(found[0].clean), auto.margin, auto.lead)


def selection(
    auto: AutoSpec,
    candidates: Sequence[StudentPlan],
    *,
    model: str,
    seed: int,
    trained: Callable[[StudentPlan], StudentResult | None],
    found: Callable[[StudentPlan], OnValidation | None],
    promised: Callable[[Choice], Promise | None],
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
    told = differing(arms)
    rows = [
        _row(number, plan, outcome, trained(plan), model, told[plan.arm], plain)
        for number, (plan, outcome, plain) in enumerate(
            zip(candidates, outcomes, plain_ones(arms), strict=True), start=1
        )
    ]
    if len(known) < len(candidates):
        return _told(auto, rows, seed, n)
    standings = _standings(candidates, known, model)
    choice = choose(standings, n, auto.margin, auto.lead)
    ahead = [None if own.plain else leads(own, standings[choice.plain], auto.lead) for own in standings]
    near, on_front = within_margin(standings, n, auto.margin), front(standings)
    marked = [
        row.model_copy(
            update={
                "within_margin": near[place],
                "leads": ahead[place],
                "on_front": on_front[place],
                "chosen": place == choice.chosen,
                "best_plain": place == choice.plain,
            }
        )
        for place, row in enumerate(rows)
    ]
    return _told(auto, marked, seed, n).model_copy(
        update={
            "chosen": choice.chosen + 1,
            "best_plain": choice.plain + 1,
            "words": _in_words(marked, choice, n)
            + _in_doubt(marked, choice)
            + _in_more_words(marked, wider(standings, n, auto.margin, auto.lead)),
            "promise": promised(choice),
        }
    )


def promise(
    choice: Choice, margin: float, comparisons: Sequence[PairedComparison], *, attacked: bool
) -> Promise | None:
    """Whether the chosen candidate is, on test images, never worse than plain transfer.

    Args:
        comparisons: of the chosen against the best plain candidate; empty before both are measured.
        attacked: whether the evaluation has attacks at all.
    """
    if choice.chosen == choice.plain:
        return Promise(
            verdict="plain_itself",
            words="The candidate that was chosen is plain transfer itself: on the validation images nothing "
            "that was clean enough was surely better. There is nothing to be worse than, and no baseline.",
        )
    by_what = {comparison.what: comparison for comparison in comparisons}
    robust, clean = by_what.get("worst_case"), by_what.get("clean")
    if clean is None or (robust is None and attacked):
        return None
    if robust is None:
        return Promise(
            verdict="not_measured",
            clean=clean,
            words="No attack was made on the test images, so nothing can be said of the promise to be never "
            "worse than plain transfer.",
        )
    verdict = _verdict(robust, clean, margin)
    return Promise(
        verdict=verdict, robust=robust, clean=clean, words=_promise_words(verdict, robust, clean, margin)
    )


def _verdict(robust: PairedComparison, clean: PairedComparison, margin: float) -> Verdict:
    if robust.high < 0 or clean.high < -margin:
        return "broken"
    return "kept" if clean.difference >= -margin else "unclear"


_LEAD: dict[Verdict, str] = {
    "kept": "The promise to be never worse than plain transfer was kept on the test images",
    "unclear": "Whether the promise to be never worse than plain transfer was kept is unclear on the test "
    "images",
    "broken": "The promise to be never worse than plain transfer was broken on the test images",
}


def _promise_words(verdict: Verdict, robust: PairedComparison, clean: PairedComparison, margin: float) -> str:
    return (
        f"{_LEAD[verdict]}: against the best plain candidate {_difference(robust)} robust accuracy and "
        f"{_difference(clean)} clean accuracy (n = {numbers.count(robust.n)}, paired; the margin is "
        f"{100 * margin:g} points)."
    )


def _difference(found: PairedComparison) -> str:
    low, high = numbers.points(found.low), numbers.points(found.high)
    return f"{numbers.points(found.difference)} points ({low} to {high}) of"


def _standings(
    candidates: Sequence[StudentPlan], found: Sequence[OnValidation], model: str
) -> list[Standing]:
    blocks = model_facts(model).blocks
    return [
        Standing(
            right=sum(outcome.clean),
            stood=outcome.held,
            tuned=blocks - plan.arm.freeze_depth,
            plain=plain,
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
        robust=wilson(sum(outcome.held), len(outcome.held)) if outcome else None,
    )


def _told(auto: AutoSpec, rows: Sequence[Candidate], seed: int, n: int) -> Selection:
    return Selection(
        margin=auto.margin,
        lead=auto.lead,
        attack=auto.attack,
        seed=seed,
        n=n,
        rule="The most robust candidate among those whose clean accuracy is within "
        f"{100 * auto.margin:g} % of the images of the cleanest one's, on validation images; of equally "
        "robust ones the cleaner, then the one with fewer tuned blocks. Plain transfer, unless another is "
        f"more robust by more than {auto.lead:g} standard errors of the paired difference, or cleaner by "
        "more than that margin and no less robust.",
        candidates=tuple(rows),
    )


def _in_words(rows: Sequence[Candidate], choice: Choice, n: int) -> str:
    chosen, plain = rows[choice.chosen], rows[choice.plain]
    near = sum(bool(row.within_margin) for row in rows)
    text = (
        f"Of {len(rows)} candidates {_named(chosen)} was chosen: {_accuracies(chosen)} on {numbers.count(n)} "
        f"validation images. {near} of {len(rows)} were clean enough."
    )
    if chosen is plain:
        return text
    return f"{text} The best plain candidate is {_named(plain)}: {_accuracies(plain)}."


def _in_doubt(rows: Sequence[Candidate], choice: Choice) -> str:
    """Who was clean enough and held more images than what was taken, and was passed over."""
    passed = [
        row
        for row in rows
        if row.within_margin and row.leads is False and _held(row) > _held(rows[choice.chosen])
    ]
    if not passed:
        return ""
    most = max(passed, key=_held)
    return (
        f" Passed over: {_named(most)}, {_accuracies(most)}, since that it holds more images than plain "
        "transfer may be chance. A lower `auto.lead` takes it; more validation images may tell."
    )


def _in_more_words(rows: Sequence[Candidate], steps: Sequence[tuple[float, int]]) -> str:
    """What a person gives up with this margin, and how to have it."""
    if not steps:
        return ""
    told = "; ".join(
        f"{width:g} takes {_named(rows[place])}, {_accuracies(rows[place])}" for width, place in steps
    )
    return (
        f" A wider margin takes what is more robust: {told}. The same job with such an `auto.margin` trains "
        "nothing anew."
    )


def _held(row: Candidate) -> float:
    assert row.robust is not None
    return row.robust.value


def _named(row: Candidate) -> str:
    return f"{phrases.named(row.method, row.settings)} with {row.k} tuned blocks (number {row.number})"


def _accuracies(row: Candidate) -> str:
    assert row.clean is not None
    assert row.robust is not None
    return f"{numbers.percent(row.clean.value)} clean and {numbers.percent(row.robust.value)} robust accuracy"
