"""The evidence block on the page: what was tested, how, on what, within what limits; and what was not."""

from __future__ import annotations

from cartl_core.render import phrases
from cartl_core.render.evidence import ItemDocument, ReferenceText, document
from cartl_core.render.html.elements import Child, Html, section, table, tag
from cartl_core.report import Report


def evidence(report: Report) -> Html | None:
    """For auditors; the same as ``evidence.json``, less its figures, which stand above."""
    block = document(report)
    if block is None:
        return None
    return section(
        "evidence",
        "Evidence for auditors",
        tag("p", block.statement),
        *(_item(item) for item in block.items),
        tag("h3", "What this report says nothing of"),
        table(
            ("subject", "why", "asked for by"),
            ((gap.subject, gap.words, _references(gap.references)) for gap in block.gaps),
        ),
        tag(
            "p",
            "All figures with intervals, and pointers into the report: evidence.json, or the field "
            "evidence of the report as JSON.",
            class_="note",
        ),
    )


def _item(item: ItemDocument) -> Html:
    rows: tuple[tuple[str, Child], ...] = (
        ("tested", item.what),
        ("how", item.how),
        ("on", item.on),
        ("found", item.found),
        ("limits", tag("ul", *(tag("li", limit) for limit in item.limits))),
    )
    facts = (part for name, value in rows if value for part in (tag("dt", name), tag("dd", value)))
    return tag(
        "article",
        tag("h3", item.title),
        tag("ul", tag("li", item.basis), *_each(item.references), class_="chips"),
        tag("dl", *facts),
    )


def _references(references: tuple[ReferenceText, ...]) -> Html:
    return tag("ul", *_each(references), class_="chips")


def _each(references: tuple[ReferenceText, ...]) -> list[Html]:
    return [tag("li", phrases.reference(reference), title=reference.about) for reference in references]
