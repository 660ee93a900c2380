"""How a run chose its method and freeze depth: the rule, every candidate, and the promise."""

from __future__ import annotations

from collections.abc import Iterator

from cartl_core.render import numbers, phrases, selection_phrases, sentences
from cartl_core.render.markdown.tables import table
from cartl_core.report import Report
from cartl_core.report.selection import Candidate


def selection(report: Report) -> Iterator[str]:
    """The candidates on validation images, and the chosen one against plain transfer on test images."""
    found = report.selection
    if found is None:
        return
    yield "## How the method was chosen"
    yield ""
    outcome, promise = sentences.selection_outcome(report), sentences.promise(report)
    if outcome:
        yield f"**{outcome}**"
        yield ""
    if promise:
        yield promise
        yield ""
    yield f"{sentences.selection_rule(found)} {selection_phrases.selection(found)}"
    yield ""
    yield from table(
        (*selection_phrases.COLUMNS, ""),
        (_row(candidate) for candidate in found.candidates),
    )


def _row(candidate: Candidate) -> tuple[str, ...]:
    clean, robust = candidate.clean, candidate.robust
    return (
        str(candidate.number),
        selection_phrases.candidate(candidate),
        str(candidate.freeze_depth),
        str(candidate.k),
        selection_phrases.epoch(candidate),
        numbers.interval(clean) if clean else phrases.UNKNOWN,
        numbers.interval(robust) if robust else phrases.UNKNOWN,
        selection_phrases.yes(candidate.within_margin),
        selection_phrases.ahead(candidate),
        selection_phrases.yes(candidate.on_front),
        selection_phrases.role(candidate),
    )
