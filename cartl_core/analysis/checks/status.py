"""Checks that passed, failed or were not run, with their titles."""

from __future__ import annotations

from collections.abc import Mapping

from cartl_core.report.checks import TITLES, Check, CheckName

Evidence = Mapping[str, float | int | str]


def passed(name: CheckName, evidence: Evidence, words: str) -> Check:
    """Nothing suspicious was found."""
    return Check(name=name, title=TITLES[name], status="passed", evidence=dict(evidence), words=words)


def failed(name: CheckName, evidence: Evidence, words: str, advice: str) -> Check:
    """The figures may deceive; ``advice`` says what to do."""
    return Check(
        name=name, title=TITLES[name], status="failed", evidence=dict(evidence), words=words, advice=advice
    )


def not_run(
    name: CheckName, words: str, advice: str | None = None, evidence: Evidence | None = None
) -> Check:
    """There was nothing to look at; ``words`` say why."""
    return Check(
        name=name,
        title=TITLES[name],
        status="not_run",
        evidence=dict(evidence or {}),
        words=words,
        advice=advice,
    )
