"""Criteria that were fixed before the run, and what was found of each."""

from __future__ import annotations

from collections.abc import Sequence

from cartl_core.render import numbers
from cartl_core.report import CriterionVerdict
from cartl_core.report.acceptance import CriterionName

ACCEPTANCE = "Acceptance criteria"
"""The heading."""

NAMES: dict[CriterionName, str] = {
    "robust_accuracy": "robust accuracy",
    "clean_accuracy": "clean accuracy",
    "kept_against_plain": "robust accuracy minus that of plain transfer",
}


def acceptance_outcome(found: Sequence[CriterionVerdict]) -> str:
    """The verdict on all of them together."""
    counts = {status: sum(verdict.status == status for verdict in found) for status in _STATUSES}
    if counts["failed"]:
        said = "Not accepted"
    elif counts["undecided"]:
        said = "Not decided"
    else:
        said = "Accepted"
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return (
        f"{said}: of {len(found)} criteria that were fixed before the run, {told}. The verdicts are about "
        "the attacks that were made; a stronger one may find less."
    )


_STATUSES = ("passed", "failed", "undecided")


def criterion(found: CriterionVerdict) -> str:
    """``robust accuracy within eps 8/255 in linf``."""
    name = NAMES[found.criterion]
    return name if found.at is None else f"{name} within eps {numbers.radius(found.at)} in {found.norm}"


def wanted(found: CriterionVerdict) -> str:
    """The bound, in percent or in points."""
    at_least = found.at_least
    if found.criterion == "kept_against_plain":
        return f"at least {numbers.points(at_least)} points"
    return f"at least {numbers.percent(at_least)}"


def finding(found: CriterionVerdict) -> str:
    """The figure with its bounds, and what would decide where nothing did."""
    if found.value is None or found.low is None or found.high is None:
        return "not measured"
    written = numbers.points if found.criterion == "kept_against_plain" else numbers.percent
    said = (
        f"{written(found.value)} (one-sided {100 * found.confidence:g} % bounds: {written(found.low)} and "
        f"{written(found.high)}; n = {numbers.count(found.n)})"
    )
    if found.why == "check_failed":
        return f"{said}. A check failed, so the figure is not believed"
    if found.status != "undecided":
        return said
    if found.n_to_decide is None:
        return f"{said}. No number of images would decide at this share"
    return f"{said}. About {numbers.count(found.n_to_decide)} images would decide at this share"


def verdict(found: CriterionVerdict) -> str:
    """One line: ``passed: clean accuracy, at least 80.0 %: 91.2 % (...)``."""
    return f"{found.status}: {criterion(found)}, {wanted(found)}: {finding(found)}"
