"""How a run chose its method and freeze depth: the rule, every candidate, and the promise."""

from __future__ import annotations

from collections.abc import Iterator

from cartl_core.render import choice_words, words
from cartl_core.render.markdown.tables import table
from cartl_core.report import Report
from cartl_core.report_selection import Candidate


def selection(report: Report) -> Iterator[str]:
    """The candidates on validation images, and the chosen one against plain transfer on test images."""
    found = report.selection
    if found is None:
        return
    yield "## How the method was chosen"
    yield ""
    if found.words:
        yield f"**{found.words}**"
        yield ""
    if found.promise:
        yield found.promise.words
        yield ""
    yield f"{found.rule} {choice_words.selection(found)}"
    yield ""
    yield from table(
        (*choice_words.COLUMNS, ""),
        (_row(candidate) for candidate in found.candidates),
    )


def _row(candidate: Candidate) -> tuple[str, ...]:
    clean, robust = candidate.clean, candidate.robust
    return (
        str(candidate.number),
        choice_words.candidate(candidate),
        str(candidate.freeze_depth),
        str(candidate.k),
        choice_words.epoch(candidate),
        words.interval(clean) if clean else words.UNKNOWN,
        words.interval(robust) if robust else words.UNKNOWN,
        choice_words.yes(candidate.within_margin),
        choice_words.ahead(candidate),
        choice_words.yes(candidate.on_front),
        choice_words.role(candidate),
    )
