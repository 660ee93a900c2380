"""A check by its outcome: the outcome decides whether it passed, failed or was not run."""

from __future__ import annotations

from collections.abc import Mapping

from cartl_core.report.checks import FINDINGS, Check, CheckName, Finding

Evidence = Mapping[str, float | int | str]


def found(
    name: CheckName, finding: Finding, evidence: Evidence | None = None, details: Evidence | None = None
) -> Check:
    """The check ``name`` with the outcome ``finding``, one of ``FINDINGS[name]``.

    Args:
        evidence: the numbers behind the status.
        details: what else its sentence names.

    Raises:
        KeyError: the check has no such outcome.
    """
    return Check(
        name=name,
        status=FINDINGS[name][finding],
        finding=finding,
        evidence=dict(evidence or {}),
        details=dict(details or {}),
    )
