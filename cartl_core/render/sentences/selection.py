"""How a candidate was chosen, which one, and whether it is never worse than plain transfer."""

from __future__ import annotations

from cartl_core.render import numbers, phrases
from cartl_core.report import PairedComparison, Report
from cartl_core.report.selection import Candidate, Promise, Selection, Verdict


def selection_rule(selection: Selection) -> str:
    """By what rule one of the candidates is taken."""
    return (
        "The most robust candidate among those whose clean accuracy is within "
        f"{100 * selection.margin:g} % of the images of the cleanest one's, on validation images; of equally "
        "robust ones the cleaner, then the one with fewer tuned blocks. Plain transfer, unless another is "
        f"more robust by more than {selection.lead:g} standard errors of the paired difference, or cleaner "
        "by more than that margin and no less robust."
    )


def selection_outcome(report: Report) -> str | None:
    """Which candidate was chosen, and why; None before that."""
    found = report.selection
    if found is None or found.chosen is None or found.best_plain is None:
        return None
    chosen, plain = found.candidates[found.chosen - 1], found.candidates[found.best_plain - 1]
    return _taken(found, chosen, plain) + _passed_over(found, chosen) + _by_wider_margins(found)


def promise(report: Report) -> str | None:
    """Whether the chosen candidate is never worse than plain transfer on test images; None before that."""
    found = report.selection.promise if report.selection else None
    if report.selection is None or found is None:
        return None
    return _UNTESTED.get(found.verdict) or _tested(found, report.selection.margin)


_UNTESTED: dict[Verdict, str] = {
    "plain_itself": "The candidate that was chosen is plain transfer itself: on the validation images "
    "nothing that was clean enough was surely better. There is nothing to be worse than, and no baseline.",
    "not_measured": "No attack was made on the test images, so nothing can be said of the promise to be "
    "never worse than plain transfer.",
}
_TESTED: dict[Verdict, str] = {
    "kept": "The promise to be never worse than plain transfer was kept on the test images",
    "unclear": "Whether the promise to be never worse than plain transfer was kept is unclear on the test "
    "images",
    "broken": "The promise to be never worse than plain transfer was broken on the test images",
}


def _tested(found: Promise, margin: float) -> str:
    assert found.robust is not None
    assert found.clean is not None
    return (
        f"{_TESTED[found.verdict]}: against the best plain candidate {_difference(found.robust)} robust "
        f"accuracy and {_difference(found.clean)} clean accuracy (n = {numbers.count(found.robust.n)}, "
        f"paired; the margin is {100 * margin:g} points)."
    )


def _difference(found: PairedComparison) -> str:
    low, high = numbers.points(found.low), numbers.points(found.high)
    return f"{numbers.points(found.difference)} points ({low} to {high}) of"


def _taken(found: Selection, chosen: Candidate, plain: Candidate) -> str:
    rows = found.candidates
    near = sum(bool(row.within_margin) for row in rows)
    text = (
        f"Of {len(rows)} candidates {_named(chosen)} was chosen: {_accuracies(chosen)} on "
        f"{numbers.count(found.n)} validation images. {near} of {len(rows)} were clean enough."
    )
    if chosen.number == plain.number:
        return text
    return f"{text} The best plain candidate is {_named(plain)}: {_accuracies(plain)}."


def _passed_over(found: Selection, chosen: Candidate) -> str:
    """Candidates that were clean enough and more robust than the chosen one, perhaps by chance."""
    passed = [
        row
        for row in found.candidates
        if row.within_margin and row.leads is False and _held(row) > _held(chosen)
    ]
    if not passed:
        return ""
    most = max(passed, key=_held)
    return (
        f" Passed over: {_named(most)}, {_accuracies(most)}, since that it holds more images than plain "
        "transfer may be chance. A lower `auto.lead` takes it; more validation images may tell."
    )


def _by_wider_margins(found: Selection) -> str:
    """What a person gives up with this margin, and how to have it."""
    if not found.wider:
        return ""
    rows = [(step.margin, found.candidates[step.number - 1]) for step in found.wider]
    steps = "; ".join(f"{margin:g} takes {_named(row)}, {_accuracies(row)}" for margin, row in rows)
    return (
        f" A wider margin takes what is more robust: {steps}. The same job with such an `auto.margin` trains "
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
