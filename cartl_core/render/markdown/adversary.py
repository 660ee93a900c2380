"""Whom the attacks stand for, and the known ways in which attacks fail."""

from __future__ import annotations

from collections.abc import Iterator

from cartl_core.render import frameworks
from cartl_core.render.markdown.tables import table
from cartl_core.report import Report


def adversary(report: Report) -> Iterator[str]:
    """Nothing of reports that do not say it."""
    if not report.threat_models:
        return
    yield f"## {frameworks.ADVERSARY}"
    yield ""
    yield from (f"- {frameworks.adversary(found)}" for found in report.threat_models)
    yield ""
    yield from table(
        ("indicator of attack failure (Pintor et al. 2022)", "what it is", "answered by"),
        ((row.name, row.words, row.answered) for row in frameworks.indicators(report)),
    )
