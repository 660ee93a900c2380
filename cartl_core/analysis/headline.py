"""What the figures say, in plain English: comparisons, the headline, and what to be wary of."""

from __future__ import annotations

from collections.abc import Sequence

from cartl_core.analysis.comparisons import _p
from cartl_core.render import numbers, phrases
from cartl_core.report import ArmReport, PairedComparison
from cartl_core.report.selection import Selection


def headline(
    student: ArmReport, baselines: Sequence[ArmReport], chosen: Selection | None = None
) -> str | None:
    """One sentence that answers: how much robustness was kept, against the first baseline, at what price?

    Args:
        chosen: how the student was chosen, where the run chose it.
    """
    if student.figures is None or student.figures.worst_case is None:
        return None
    own, robust, clean = phrases.arm(student), student.figures.worst_case, student.figures.clean
    among = f", chosen among {len(chosen.candidates)} candidates," if chosen else ""
    alone = (
        f"{numbers.capital(own)}{among} keeps {numbers.percent(robust.value)} robust accuracy "
        f"at {numbers.percent(clean.value)} clean accuracy (n = {numbers.count(robust.n)})"
    )
    found = next((_both(baseline) for baseline in baselines if _both(baseline)), None)
    if found is None:
        return f"{alone}."
    rival, worst, plain = found
    return f"{alone}: {_robust_clause(worst, rival)}, {_clean_clause(plain)}."


def _robust_clause(comparison: PairedComparison, rival: str) -> str:
    if comparison.verdict == "within_noise":
        return f"against {rival} the difference in robust accuracy is within noise"
    side = "more" if comparison.verdict == "better" else "less"
    return (
        f"{abs(100 * comparison.difference):.1f} points {side} robust accuracy than {rival} "
        f"(95 % interval {numbers.points(comparison.low)} to {numbers.points(comparison.high)}, "
        f"p {_p(comparison.p_value)})"
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
