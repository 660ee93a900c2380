"""How a run chose its method and freeze depth: figure, rule, every candidate, and the promise."""

from __future__ import annotations

from cartl_core.render import captions, selection_phrases, sentences
from cartl_core.render.html.bars import proportion
from cartl_core.render.html.elements import (
    Child,
    Html,
    join,
    section,
    table,
    tag,
)
from cartl_core.render.html.measurements import Pictures, picture
from cartl_core.report import Report
from cartl_core.report.selection import Candidate, Promise, Verdict

_TONES: dict[Verdict, str] = {"broken": "bad", "unclear": "care", "not_measured": "care"}
_TITLES: dict[Verdict, str] = {
    "kept": "Never worse than plain transfer: kept",
    "plain_itself": "Never worse than plain transfer: it is plain transfer",
    "unclear": "Never worse than plain transfer: unclear",
    "broken": "Never worse than plain transfer: broken",
    "not_measured": "Never worse than plain transfer: not measured",
}


def selection(report: Report, pictures: Pictures) -> Html | None:
    """The candidates on validation images, and the chosen one against plain transfer on test images."""
    found = report.selection
    if found is None:
        return None
    return section(
        "selection",
        "How the method was chosen",
        tag("p", outcome) if (outcome := sentences.selection_outcome(report)) else None,
        _promise(found.promise, sentences.promise(report)) if found.promise else None,
        tag("p", f"{sentences.selection_rule(found)} {selection_phrases.selection(found)}"),
        picture(pictures, "selection.svg", captions.selection(report)),
        table(
            selection_phrases.COLUMNS,
            (_row(candidate) for candidate in found.candidates),
            numbers=(2, 3),
        ),
    )


def _promise(promise: Promise, said: str | None) -> Html:
    return tag(
        "div",
        tag("h3", _TITLES[promise.verdict]),
        tag("p", said),
        class_=f"first {_TONES.get(promise.verdict, 'unfinished')}",
        role="note",
    )


def _row(candidate: Candidate) -> tuple[Child, ...]:
    role = selection_phrases.role(candidate)
    tone = "arm0" if candidate.chosen else "plain"
    return (
        join(
            (
                str(candidate.number),
                join((" ", tag("span", role, class_="status passed"))) if role else None,
            )
        ),
        selection_phrases.candidate(candidate),
        str(candidate.freeze_depth),
        str(candidate.k),
        selection_phrases.epoch(candidate),
        proportion(candidate.clean, "plain"),
        proportion(candidate.robust, tone),
        selection_phrases.yes(candidate.within_margin),
        selection_phrases.ahead(candidate),
        selection_phrases.yes(candidate.on_front),
    )
