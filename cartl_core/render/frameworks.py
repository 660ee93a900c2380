"""What goes with every block of evidence, and how our checks answer the indicators of attack failure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cartl_core.render import numbers, phrases
from cartl_core.render.checks.titles import TITLES
from cartl_core.report import Report
from cartl_core.report.frameworks import TABLE
from cartl_core.spec.threat_model import ThreatModel

STATEMENT = (
    "Evidence, not a verdict: this block says what was measured and how. It does not say that a system "
    "conforms to any law, standard or framework, nor that its risks are acceptable. Who may rely on it, for "
    "which intended purpose, has to be judged by people who know that purpose."
)

ADVERSARY = "The adversary, and how its attacks could fail"
"""The heading of both."""
_KNOWS = {
    "white_box": "knows the network, its weights and its gradients",
    "scores": "sees the outputs of queries alone",
}


def adversary(found: ThreatModel) -> str:
    """One adversary in a sentence."""
    radii = numbers.listed([numbers.radius(eps) for eps in found.radii])
    return (
        f"In {found.norm}: it changes the pixels that the network gets, after decoding and resizing, by at "
        f"most {radii}; it {_KNOWS[found.knowledge]}; it wants any wrong answer. It is played by "
        f"{numbers.listed(found.attacks)}."
    )


@dataclass(frozen=True)
class IndicatorRow:
    """One indicator of attack failure for the job's own network."""

    name: str
    words: str
    answered: str
    """By which of our checks, and what it found; or that none does."""


def indicators(report: Report) -> Iterator[IndicatorRow]:
    """The six of Pintor et al., by their own names."""
    checks = report.student.checks if report.student else ()
    found = {check.name: check.status for check in checks}
    for row in TABLE.indicators:
        if row.check is None:
            answered = "no check"
        elif row.check in found:
            answered = f"{TITLES[row.check]}: {phrases.status(found[row.check])}"
        else:
            answered = f"{TITLES[row.check]}: not checked"
        yield IndicatorRow(row.name, row.words, answered)
