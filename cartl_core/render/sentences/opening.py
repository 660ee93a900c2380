"""What a report opens with: the headline, and what to read before any figure."""

from __future__ import annotations

from cartl_core.render import numbers, phrases
from cartl_core.render.sentences.comparisons import p_value
from cartl_core.render.sentences.notices import notice
from cartl_core.render.sentences.selection import promise
from cartl_core.report import ArmReport, FurtherData, PairedComparison, Report
from cartl_core.report.notices import AboutNetwork, OutputsNotFinite


def headline(report: Report) -> str | None:
    """The answer: how much robustness was kept, against the first baseline, at what price?

    What a network of the report does not do at all comes before that: outputs that are not finite, one
    answer to everything. Where the student's own outputs are not finite, nothing comes after it. Every
    baseline that is ahead of the student beyond chance is named at the end.

    None before the student was attacked, unless there is such a thing to say.
    """
    first = [notice(found) for found in _about_networks(report)]
    if not _student_not_finite(report):
        first += filter(None, (_answer(report), _ahead(report)))
    return " ".join(first) or None


def _answer(report: Report) -> str | None:
    student, chosen = report.student, report.selection
    if student is None or student.figures is None or student.figures.worst_case is None:
        return None
    own, robust, clean = phrases.arm(student), student.figures.worst_case, student.figures.clean
    among = f", chosen among {len(chosen.candidates)} candidates," if chosen else ""
    alone = (
        f"{numbers.capital(own)}{among} keeps {numbers.percent(robust.value)} robust accuracy "
        f"at {numbers.percent(clean.value)} clean accuracy (n = {numbers.count(robust.n)})"
    )
    compared = _useful(report)
    if not compared:
        return f"{alone}."
    baseline, worst, plain = compared[0]
    return f"{alone}: {_robust_clause(worst, baseline)}, {_clean_clause(plain)}."


def read_first(report: Report) -> tuple[str, ...]:
    """What must be known before any figure is believed, each sentence once.

    What a network does not do at all, a promise that was not kept or may not have been, checks that failed
    for the job's own student, the other notices, and last the checks that failed for baselines alone.
    """
    own = [report.student] if report.student else []
    first = map(notice, _about_networks(report))
    others = map(notice, report.warnings)
    found = (
        *first,
        *_not_kept(report),
        *phrases.failed_checks(own),
        *others,
        *phrases.failed_checks(report.baselines),
    )
    return tuple(dict.fromkeys(found))


def on_further(found: FurtherData) -> tuple[str, ...]:
    """What must be known before the figures on a further data set are believed."""
    checks = phrases.failed(phrases.method(None), found.checks)
    return tuple(dict.fromkeys((*map(notice, found.warnings), *checks)))


def _about_networks(report: Report) -> tuple[AboutNetwork, ...]:
    return tuple(found for found in report.warnings if isinstance(found, AboutNetwork))


def _student_not_finite(report: Report) -> bool:
    return any(
        isinstance(found, OutputsNotFinite) and found.network.role == "student" for found in report.warnings
    )


def _not_kept(report: Report) -> tuple[str, ...]:
    found = report.selection.promise if report.selection else None
    said = promise(report) if found and found.verdict in ("broken", "unclear") else None
    return (said,) if said else ()


def _ahead(report: Report) -> str | None:
    """The baselines that are more robust than the student beyond chance, or as robust and cleaner.

    The first one is left out, as the answer compares with it already, and so are networks of which the report
    says that they answer with one class or with no numbers. The strongest comes first: of those that are no
    less clean the most robust.
    """
    compared = _useful(report)
    answered = compared[:1]
    ahead = [
        (name, robust, clean)
        for name, robust, clean in compared
        if robust.verdict == "worse" or (robust.verdict == "within_noise" and clean.verdict == "worse")
    ]
    # Verdicts are the student's: where it is better in clean accuracy, the baseline is less clean.
    ahead.sort(key=lambda both: (both[2].verdict == "better", both[1].difference, both[2].difference))
    said = [_lead(*both) for both in ahead if both not in answered]
    return f"Ahead of it: {'; '.join(said)}." if said else None


def _lead(name: str, robust: PairedComparison, clean: PairedComparison) -> str:
    """By how much a baseline is ahead of the student, whose comparisons these are."""
    if robust.verdict == "within_noise":
        return f"{name}, as robust within noise {_clean_of(clean)}"
    return (
        f"{name}, {abs(100 * robust.difference):.1f} points more robust accuracy (95 % interval "
        f"{numbers.points(-robust.high)} to {numbers.points(-robust.low)}, p {p_value(robust.p_value)}) "
        f"{_clean_of(clean)}"
    )


def _clean_of(clean: PairedComparison) -> str:
    if clean.verdict == "within_noise":
        return "at a clean accuracy that is the same within noise"
    side = "less" if clean.verdict == "better" else "more"
    return f"at {abs(100 * clean.difference):.1f} points {side} clean accuracy"


def _robust_clause(comparison: PairedComparison, baseline: str) -> str:
    if comparison.verdict == "within_noise":
        return f"against {baseline} the difference in robust accuracy is within noise"
    side = "more" if comparison.verdict == "better" else "less"
    return (
        f"{abs(100 * comparison.difference):.1f} points {side} robust accuracy than {baseline} "
        f"(95 % interval {numbers.points(comparison.low)} to {numbers.points(comparison.high)}, "
        f"p {p_value(comparison.p_value)})"
    )


def _clean_clause(comparison: PairedComparison) -> str:
    if comparison.verdict == "within_noise":
        return "at a clean accuracy that is the same within noise"
    side = "more" if comparison.verdict == "better" else "less"
    return f"at {abs(100 * comparison.difference):.1f} points {side} clean accuracy"


Compared = tuple[str, PairedComparison, PairedComparison]
"""A baseline's name, and the student's comparisons with it: robust and clean accuracy."""


def _useful(report: Report) -> list[Compared]:
    """The baselines that were compared, less those that answer with one class or with no numbers."""
    useless = {
        (found.network.method, found.network.settings)
        for found in _about_networks(report)
        if found.network.role == "baseline"
    }
    return [
        compared
        for baseline in report.baselines
        if (baseline.method, baseline.settings) not in useless and (compared := _compared(baseline))
    ]


def _compared(baseline: ArmReport) -> Compared | None:
    by_what = {comparison.what: comparison for comparison in baseline.comparisons}
    if baseline.method is None or "worst_case" not in by_what or "clean" not in by_what:
        return None
    return phrases.arm(baseline), by_what["worst_case"], by_what["clean"]
