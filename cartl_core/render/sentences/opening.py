"""What a report opens with: the headline, and what to read before any figure."""

from __future__ import annotations

from cartl_core.render import numbers, phrases
from cartl_core.render.sentences.comparisons import p_value
from cartl_core.render.sentences.notices import notice
from cartl_core.render.sentences.selection import promise
from cartl_core.report import ArmReport, PairedComparison, Report
from cartl_core.report.notices import AboutNetwork, OutputsNotFinite


def headline(report: Report) -> str | None:
    """The answer: how much robustness was kept, against the first baseline, at what price?

    What a network of the report does not do at all comes before that: outputs that are not finite, one
    answer to everything. Where the student's own outputs are not finite, nothing comes after it.

    None before the student was attacked, unless there is such a thing to say.
    """
    first = [notice(found) for found in _about_networks(report)]
    answer = None if _student_not_finite(report) else _answer(report)
    return " ".join([*first, answer] if answer else first) or None


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
    found = next((both for baseline in report.baselines if (both := _both(baseline))), None)
    if found is None:
        return f"{alone}."
    rival, worst, plain = found
    return f"{alone}: {_robust_clause(worst, rival)}, {_clean_clause(plain)}."


def read_first(report: Report) -> tuple[str, ...]:
    """What must be known before any figure is believed, each sentence once.

    What a network does not do at all, a promise that was not kept or may not have been, checks that failed,
    then the other notices.
    """
    arms = [arm for arm in (report.student, *report.baselines) if arm is not None]
    first = dict.fromkeys(map(notice, _about_networks(report)))
    others = dict.fromkeys(map(notice, report.warnings))
    return tuple(
        dict.fromkeys((*first, *_not_kept(report), *phrases.failed_checks(arms), *others)),
    )


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


def _robust_clause(comparison: PairedComparison, rival: str) -> str:
    if comparison.verdict == "within_noise":
        return f"against {rival} the difference in robust accuracy is within noise"
    side = "more" if comparison.verdict == "better" else "less"
    return (
        f"{abs(100 * comparison.difference):.1f} points {side} robust accuracy than {rival} "
        f"(95 % interval {numbers.points(comparison.low)} to {numbers.points(comparison.high)}, "
        f"p {p_value(comparison.p_value)})"
    )


def _clean_clause(comparison: PairedComparison) -> str:
    if comparison.verdict == "within_noise":
        return "at a clean accuracy that is the same within noise"
    side = "more" if comparison.verdict == "better" else "less"
    return f"at {abs(100 * comparison.difference):.1f} points {side} clean accuracy"


def _both(baseline: ArmReport) -> tuple[str, PairedComparison, PairedComparison] | None:
    by_what = {comparison.what: comparison for comparison in baseline.comparisons}
    if baseline.method is None or "worst_case" not in by_what or "clean" not in by_what:
        return None
    return phrases.arm(baseline), by_what["worst_case"], by_what["clean"]
