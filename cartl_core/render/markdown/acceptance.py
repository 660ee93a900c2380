"""The criteria that were fixed before the run, each with its verdict."""

from __future__ import annotations

from collections.abc import Iterator

from cartl_core.render import sentences
from cartl_core.render.markdown.tables import table
from cartl_core.report import Report


def acceptance(report: Report) -> Iterator[str]:
    """Nothing where none were asked for."""
    if not report.acceptance:
        return
    yield f"## {sentences.ACCEPTANCE}"
    yield ""
    yield sentences.acceptance_outcome(report.acceptance)
    yield ""
    yield from table(
        ("criterion", "asked for", "verdict", "found"),
        (
            (
                sentences.criterion(verdict),
                sentences.wanted(verdict),
                verdict.status,
                sentences.finding(verdict),
            )
            for verdict in report.acceptance
        ),
    )
